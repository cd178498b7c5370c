//! The profile of a step of several ranks: what goes between them stands beside the calls.

use kiln::distributed::World;
use kiln::prelude::*;

use super::{LeNet, each_rank, images};
use crate::folder::Folder;

#[test]
fn a_profile_shows_what_goes_between_ranks() {
    let folder = Folder::new("distributed-profile");
    let profiles = each_rank(2, |world| {
        let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default()).batch(16).threads(1);
        let mut trainer = trainer.distributed(world).shards(4).build().unwrap();
        let before = trainer.model().fc1.weight.value.clone();
        let profile = trainer.profile().unwrap();
        assert_eq!(trainer.model().fc1.weight.value, before);
        profile
    });
    let mut parameters = 0;
    LeNet::init(3).each_parameter(&mut |_, parameter| parameters += parameter.value.len());
    for profile in profiles {
        let bytes: usize = profile.exchanges.iter().map(|exchange| exchange.bytes).sum();
        // The gradients, the loss, and perhaps a number or two more.
        assert!((4 * parameters..4 * parameters + 64).contains(&bytes), "{bytes} bytes for {parameters} parameters");
        for exchange in &profile.exchanges {
            assert!(exchange.given <= exchange.start && exchange.start < exchange.end, "{exchange:?}");
            assert!(exchange.end <= profile.seconds && exchange.waited >= 0.0, "{exchange:?}");
        }
        let shown = profile.to_string();
        assert!(shown.contains("between ranks") && shown.contains("waited us"), "{shown}");
        profile.save_trace(folder.path("trace.json")).unwrap();
        let trace = std::fs::read_to_string(folder.path("trace.json")).unwrap();
        let trace: serde_json::Value = serde_json::from_str(&trace).unwrap();
        let of_exchanges = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "exchange");
        assert_eq!(of_exchanges.count(), profile.exchanges.len());
    }
}

model! {
    struct Wide {
        fc1: Linear(100, 1100),
        fc2: Linear(1100, 1100),
        fc3: Linear(1100, 1100),
        fc4: Linear(1100, 5),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 5] {
        fc4(fc3(fc2(fc1(x.flatten(1)).relu()).relu()).relu())
    }
}

#[test]
fn gradients_are_on_their_way_while_others_are_computed() {
    let folder = Folder::new("distributed-overlap");
    each_rank(2, |world| {
        let trainer = Trainer::new(Wide::init(3), cross_entropy(), Sgd::new(0.1)).batch(8).threads(1);
        let profile = trainer.distributed(world).build().unwrap().profile().unwrap();
        let path = folder.path(&format!("trace{}.json", world.rank()));
        profile.save_trace(&path).unwrap();
        let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        // The last layer's gradients, which want a copy of their own, go first with a large layer's, then another one's.
        assert!(profile.exchanges.len() >= 3, "{profile}");
        for (bucket, layers) in [(0, 2), (1, 1)] {
            let given = 1e6 * profile.exchanges[bucket].given;
            let events = trace["traceEvents"].as_array().unwrap().iter();
            let later = events.filter(|event| event["cat"] == "backward" && event["ts"].as_f64().unwrap() >= given);
            assert!(later.count() >= layers, "bucket {bucket}: {profile}");
        }
    });
}

#[test]
fn a_profile_leaves_gradients_that_are_being_added_up_as_they_were() {
    let train = |world: &World, profiled: bool| {
        let rule = Adam::default().lr(0.01).accumulate(3);
        let trainer = Trainer::new(LeNet::init(3), cross_entropy(), rule).batch(16).threads(1);
        let mut trainer = trainer.distributed(world).shards(4).build().unwrap();
        for step in 0..6 {
            let (x, y) = images(16, step);
            trainer.step(&x, &y).unwrap();
            // Within a window, and between two of them.
            if profiled && (step == 1 || step == 2) {
                trainer.profile().unwrap();
            }
        }
        trainer.model().fc1.weight.value.clone()
    };
    let expected = each_rank(2, |world| train(world, false));
    assert!(each_rank(2, |world| train(world, true)) == expected);
}
