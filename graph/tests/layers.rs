//! The typed layers: their parameters' names, shapes and initial values are PyTorch's, and each is a shell over its
//! free function with the settings' attributes.

use kiln_graph::layers::conv::{conv, same_padding};
use kiln_graph::layers::pool::{Divisor, avg_pool, max_pool};
use kiln_graph::layers::{
    AvgPool2d, AvgPool2dSettings, Conv2d, Conv2dSettings, Conv3d, Conv3dSettings, ConvTranspose2d,
    ConvTranspose2dSettings, Dropout, DropoutSettings, Embedding, EmbeddingSettings, Flatten, FlattenSettings,
    FractionalMaxPool2d, FractionalMaxPool2dSettings, LayerNorm, LayerNormSettings, LeakyReLU, LeakyReLUSettings,
    Linear, LinearSettings, MaxPool2d, MaxPool2dSettings, PerAxis, ReLU, Softmax, SoftmaxSettings,
};
use kiln_graph::op::{Convolution, Op, Sliding, Window};
use kiln_graph::shape::check_layer;
use kiln_graph::{Builder, Init, Kind, Layer, Mode, NoSettings, Path, Shape, ShapeError, Type, Value, print};

/// The names, shapes and kinds of a layer's parameters.
fn parameters(layer: &dyn Layer) -> Vec<(String, Shape, Kind)> {
    let mut found = Vec::new();
    let mut path = Path::new();
    path.enter("block", |path| {
        layer.visit(path, &mut |name, parameter| found.push((name.to_owned(), parameter.shape(), parameter.kind)));
    });
    found
}

fn described(layer: &dyn Layer) -> String {
    let mut text = String::new();
    layer.describe(&mut Path::new(), &mut |_, description| text.push_str(description));
    text
}

/// The text of a graph with one input and one output.
fn graph(input: Shape, build: impl for<'g> Fn(&'g Builder, Value<'g>) -> Value<'g>) -> String {
    let g = Builder::new("layer");
    let output = build(&g, g.input("x", input));
    g.output("y", output);
    print(&g.finish().expect("the layer takes its input"))
}

#[test]
fn parameters_have_pytorchs_names_and_shapes() {
    let mut init = Init::new(1);
    let trained = |name: &str, shape: &[usize]| (name.to_owned(), Shape::from(shape), Kind::Trained);
    let linear = Linear::<3, 2>::new(LinearSettings::new(), &mut init);
    assert_eq!(parameters(&linear), [trained("block.weight", &[2, 3]), trained("block.bias", &[2])]);
    let bare = Linear::<3, 2>::new(LinearSettings::new().bias(false), &mut init);
    assert_eq!(parameters(&bare), [trained("block.weight", &[2, 3])]);
    let grouped = Conv2d::<4, 6, 3, 2>::new(Conv2dSettings::new().groups(2), &mut init);
    assert_eq!(parameters(&grouped), [trained("block.weight", &[6, 2, 3, 2]), trained("block.bias", &[6])]);
    let transposed = ConvTranspose2d::<4, 6, 3, 2>::new(ConvTranspose2dSettings::new().groups(2), &mut init);
    assert_eq!(parameters(&transposed), [trained("block.weight", &[4, 3, 3, 2]), trained("block.bias", &[6])]);
    let volume = Conv3d::<2, 5, 3, 2, 1>::new(Conv3dSettings::new(), &mut init);
    assert_eq!(parameters(&volume), [trained("block.weight", &[5, 2, 3, 2, 1]), trained("block.bias", &[5])]);
    let norm = LayerNorm::<3, 5>::new(LayerNormSettings::new(), &mut init);
    assert_eq!(parameters(&norm), [trained("block.weight", &[3, 5]), trained("block.bias", &[3, 5])]);
    let bare = LayerNorm::<4>::new(LayerNormSettings::new().elementwise_affine(false), &mut init);
    assert_eq!(parameters(&bare), []);
    let table = Embedding::<7, 4>::new(EmbeddingSettings::new(), &mut init);
    assert_eq!(parameters(&table), [trained("block.weight", &[7, 4])]);
    assert_eq!(parameters(&ReLU), []);
}

#[test]
fn embeddings_start_normal_and_their_padding_at_zero() {
    let settings = EmbeddingSettings::new().padding_idx(Some(-1));
    let table = &Embedding::<1000, 16>::new(settings, &mut Init::new(5)).weight.value;
    let rows = table.slice(ndarray::s![..999, ..]);
    let mean = rows.mean().expect("there are rows");
    let variance = rows.mapv(|x| (x - mean).powi(2)).mean().expect("there are rows");
    // Four standard deviations of the moments of 16,000 draws.
    assert!(mean.abs() < 0.032 && (variance - 1.0).abs() < 0.045, "{mean} {variance}");
    let outside = rows.iter().filter(|x| x.abs() > 1.96).count() as f64 / rows.len() as f64;
    assert!((outside - 0.05).abs() < 0.007, "{outside}");
    assert!(table.slice(ndarray::s![999, ..]).iter().all(|&x| x == 0.0));
}

#[test]
fn settings_out_of_range_are_errors_of_the_layer() {
    let setting = |setting, rule| Err(ShapeError::Setting { setting, rule });
    let input = Shape::new(&[Shape::N, 4]);
    let probability = "must be at least 0 and at most 1";
    assert_eq!(Dropout::shape(input, &DropoutSettings::new().p(-0.1)), setting("p", probability));
    assert_eq!(Dropout::shape(input, &DropoutSettings::new().p(f64::NAN)), setting("p", probability));
    assert_eq!(Dropout::shape(input, &DropoutSettings::new().p(1.0)), Ok(input));
    for (row, allowed) in [(-4, true), (3, true), (-5, false), (4, false)] {
        let settings = EmbeddingSettings::new().padding_idx(Some(row));
        assert_eq!(Embedding::<4, 2>::shape(input, &settings).is_ok(), allowed, "{row}");
    }
    let error = check_error(&Softmax::new(SoftmaxSettings::new(), &mut Init::new(0)), input.with(0, 2));
    assert!(error.starts_with("wrong setting in layer head: `dim` must be given"), "{error}");
    let error = check_error(&LayerNorm::<5>::new(LayerNormSettings::new(), &mut Init::new(0)), input.with(0, 2));
    assert_eq!(error, "shape mismatch in layer head: it normalizes the last axes [5], but its input has shape [2, 4]");
    let error = check_error(&Embedding::<5, 2>::new(EmbeddingSettings::new(), &mut Init::new(0)), input.with(0, 2));
    assert_eq!(
        error,
        "shape mismatch in layer head: its input must hold i32, but holds f32: indices are declared with their type, as in \
         `[N, 16; i32]`"
    );
}

/// What a layer says about an f32 input of the given shape.
fn check_error(layer: &dyn Layer, input: Shape) -> String {
    let g = Builder::new("model");
    let scope = g.enter("head");
    layer.forward(&g, g.input("x", input));
    drop(scope);
    g.finish().expect_err("the layer does not take this").to_string()
}

#[test]
fn initial_values_fill_the_range_of_the_fan_in() {
    let convolution = Conv2d::<8, 16, 5>::new(Conv2dSettings::new().groups(2), &mut Init::new(7));
    // PyTorch takes the second axis of the weight for the inputs, whatever it means.
    let transposed = ConvTranspose2d::<16, 8, 5>::new(ConvTranspose2dSettings::new().groups(2), &mut Init::new(7));
    for (weight, bias) in [(convolution.weight, convolution.bias), (transposed.weight, transposed.bias)] {
        let bound = 1.0 / (4.0 * 25.0_f32).sqrt();
        let largest = weight.value.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest <= bound && largest > 0.95 * bound, "{largest} of {bound}");
        let mean = weight.value.mean().expect("there are weights");
        assert!(mean.abs() < 0.05 * bound, "{mean}");
        let bias = bias.expect("there is a bias by default");
        assert!(bias.value.iter().all(|value| value.abs() <= bound));
    }
}

#[test]
fn a_seed_gives_the_same_values_and_each_tensor_its_own() {
    let fresh = |seed| Linear::<10, 10>::new(LinearSettings::new(), &mut Init::new(seed));
    assert_eq!(fresh(3).weight, fresh(3).weight);
    assert_ne!(fresh(3).weight, fresh(4).weight);
    let mut init = Init::new(3);
    let first = Linear::<10, 10>::new(LinearSettings::new(), &mut init);
    let second = Linear::<10, 10>::new(LinearSettings::new(), &mut init);
    assert_ne!(first.weight, second.weight);
}

#[test]
fn settings_become_attributes() {
    let mut init = Init::new(0);
    let image = Shape::from([2, 4, 9, 10]);
    let sliding = |stride: [usize; 2], padding: [(usize, usize); 2], dilation: [usize; 2]| Sliding {
        spatial: 2,
        stride: [stride[0], stride[1], 1],
        padding: [padding[0], padding[1], (0, 0)],
        dilation: [dilation[0], dilation[1], 1],
    };

    let settings = Conv2dSettings::new()
        .stride(PerAxis::new([2, 1]))
        .padding(PerAxis::new([1, 2]))
        .dilation(PerAxis::all(2))
        .groups(2);
    let layer = Conv2d::<4, 6, 3>::new(settings, &mut init);
    let attributes = Convolution { sliding: sliding([2, 1], [(1, 1), (2, 2)], [2, 2]), groups: 2 };
    let expected = graph(image, |g, x| {
        // The bias is asked for first, as in the layer.
        let bias = g.state("bias", Type::f32([6]));
        conv(x, g.state("weight", Type::f32([6, 2, 3, 3])), Some(bias), attributes)
    });
    assert_eq!(graph(image, |g, x| layer.forward(g, x)), expected);

    let settings = MaxPool2dSettings::new().stride(PerAxis::all(2)).padding(PerAxis::all(1)).ceil_mode(true);
    let window = Window { kernel: [3, 2, 1], sliding: sliding([2, 2], [(1, 1), (1, 1)], [1, 1]), ceil: true };
    let layer = MaxPool2d::<3, 2>::new(settings, &mut init);
    assert_eq!(graph(image, |g, x| layer.forward(g, x)), graph(image, |_, x| max_pool(x, window)));

    let layer = AvgPool2d::<3>::new(AvgPool2dSettings::new().count_include_pad(false), &mut init);
    let window = Window { kernel: [3, 3, 1], sliding: sliding([3, 3], [(0, 0); 2], [1, 1]), ceil: false };
    let divisor = Divisor { count_include_pad: false, divisor_override: None };
    assert_eq!(graph(image, |g, x| layer.forward(g, x)), graph(image, |_, x| avg_pool(x, window, divisor)));
}

#[test]
fn offsets_of_windows_are_drawn_by_each_step_or_once() {
    let settings = FractionalMaxPool2dSettings::new().output_size(PerAxis::all(3));
    // The draws, and whether a state counts the runs.
    let drawn = |settings, training: bool| {
        let layer = FractionalMaxPool2d::<2>::new(settings, &mut Init::new(0));
        let g = Builder::new("pool");
        g.set_mode(if training { Mode::Train } else { Mode::Eval });
        let y = layer.forward(&g, g.input("x", [5, 2, 7, 8]));
        assert_eq!(y.shape(), Shape::new(&[5, 2, 3, 3]));
        g.output("y", y);
        let graph = g.finish().expect("the layer takes its input");
        let shapes = graph.nodes.iter().filter(|node| matches!(node.op, Op::Random { .. })).map(|node| node.ty.shape);
        (shapes.collect::<Vec<Shape>>(), !graph.updates.is_empty())
    };
    assert_eq!(drawn(settings, true), (vec![Shape::new(&[5, 2, 2])], true));
    assert_eq!(drawn(settings, false), (vec![Shape::new(&[1, 2, 2])], false));
    assert_eq!(drawn(settings.samples(0.5), true), (vec![], false));
}

#[test]
fn same_padding_keeps_the_extent() {
    assert_eq!(same_padding(3, 1), (1, 1));
    assert_eq!(same_padding(4, 1), (1, 2));
    let settings = Conv2dSettings::new().padding_same().dilation(PerAxis::all(3));
    assert_eq!(Conv2d::<3, 5, 4, 3>::shape(Shape::new(&[7, 3, 8, 9]), &settings), Ok(Shape::new(&[7, 5, 8, 9])));
    let strided = settings.stride(PerAxis::all(2));
    let error = Conv2d::<3, 5, 4, 3>::shape(Shape::new(&[7, 3, 8, 9]), &strided);
    assert_eq!(error, Err(ShapeError::SameStride { stride: 2 }));
}

#[test]
fn after_a_mismatch_the_declared_output_is_assumed() {
    let images = Shape::new(&[Shape::N, 3, 8, 8]);
    let conv = Conv2dSettings::new();
    assert_eq!(Conv2d::<4, 6, 3>::shape_or_assumed(images, &conv), Shape::new(&[Shape::N, 6, 6, 6]));
    assert_eq!(Conv2d::<4, 6, 9>::shape_or_assumed(images, &conv), Shape::new(&[Shape::N, 6, 1, 1]));
    assert_eq!(Linear::<5, 2>::shape_or_assumed(images, &LinearSettings::new()), Shape::new(&[Shape::N, 2]));
    assert_eq!(MaxPool2d::<9>::shape_or_assumed(images, &MaxPool2dSettings::new()), images.with(2, 1).with(3, 1));
}

/// A network's shapes as the macro checks them.
const _: () = {
    let input = Shape::new(&[Shape::N, 1, 28, 28]);
    let conv = check_layer("conv", Conv2d::<1, 20, 5>::shape(input, &Conv2dSettings::new()));
    let relu = check_layer("relu", ReLU::shape(conv, &NoSettings::new()));
    let pool = check_layer("pool", MaxPool2d::<2>::shape(relu, &MaxPool2dSettings::new()));
    let flatten = check_layer("flatten", Flatten::shape(pool, &FlattenSettings::new()));
    let linear = check_layer("fc", Linear::<2880, 10>::shape(flatten, &LinearSettings::new()));
    assert!(linear.same(&Shape::new(&[Shape::N, 10])));
};

#[test]
fn descriptions_name_what_differs_from_the_defaults() {
    let mut init = Init::new(0);
    let conv = Conv2dSettings::new().stride(PerAxis::all(2)).padding(PerAxis::new([1, 2])).bias(false);
    let cases: [(&dyn Layer, &str); 5] = [
        (&Linear::<10, 5>::new(LinearSettings::new(), &mut init), "Linear(10, 5)"),
        (&Conv2d::<1, 20, 5>::new(conv, &mut init), "Conv2d(1, 20, kernel 5, stride 2, padding (1, 2), bias = false)"),
        (&MaxPool2d::<2>::new(MaxPool2dSettings::new(), &mut init), "MaxPool2d(2)"),
        (&Flatten::new(FlattenSettings::new(), &mut init), "Flatten"),
        (&LeakyReLU::new(LeakyReLUSettings::new().negative_slope(0.2), &mut init), "LeakyReLU(0.2)"),
    ];
    for (layer, expected) in cases {
        assert_eq!(described(layer), expected);
    }
}

#[test]
fn a_wrong_input_names_the_layer() {
    let layer = Linear::<100, 10>::new(LinearSettings::new(), &mut Init::new(0));
    let g = Builder::new("model");
    let scope = g.enter("fc2");
    layer.forward(&g, g.input("x", [4, 128]));
    drop(scope);
    let error = g.finish().expect_err("128 features are not 100");
    let expected = "shape mismatch in layer fc2: it takes 100 input features, but its input has shape [4, 128]";
    assert_eq!(error.to_string(), expected);
}
