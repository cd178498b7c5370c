use kiln::prelude::*;

mod encoders {
    use kiln::prelude::*;

    model! {
        pub struct Encoder {
            fc: Linear(16, 8),
        }

        fn forward(x: [N, 16]) -> [N, 8] {
            fc(x).tanh()
        }
    }
}

mod decoders {
    use kiln::prelude::*;

    #[derive(Model)]
    #[model(input = [WIDTH])]
    pub struct Decoder<const WIDTH: usize> {
        fc: Linear<WIDTH, 16>,
    }

    model! {
        pub struct Classifier {
            embedding: Embedding(10, 4),
        }

        fn forward(tokens: [N, 3; i32]) -> [N, 3, 4] {
            embedding(tokens)
        }
    }
}

model! {
    struct Chained {
        encoder: encoders::Encoder,
        decoder: decoders::Decoder(12),
    }

    fn forward(x: [N, 16]) -> [N, 16] {
        let code = encoder(x);
        decoder(code)
    }
}

model! {
    struct Indexed {
        encoder: encoders::Encoder,
        classifier: decoders::Classifier,
    }

    fn forward(x: [N, 16]) -> [N, 3, 4] {
        classifier(encoder(x).narrow(1, 0, 3))
    }
}

fn main() {}
