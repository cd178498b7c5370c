//! What the files hold: operators, names, shapes; and why some models have none.

use kiln::kiln_onnx::prost::Message;
use kiln::kiln_onnx::proto::tensor_shape_proto::dimension::Value;
use kiln::kiln_onnx::proto::{GraphProto, ModelProto, ValueInfoProto, type_proto};
use kiln::onnx::OnnxExport;
use kiln::prelude::*;

use crate::folder::Folder;
use crate::networks::*;

fn model<M: Model>() -> GraphProto {
    let bytes = OnnxExport::new(&M::init(0)).bytes().unwrap();
    ModelProto::decode(&bytes[..]).unwrap().graph.unwrap()
}

/// The operators of a graph, in order: `Conv conv1`, with the node's name.
fn operators(graph: &GraphProto) -> Vec<String> {
    graph.node.iter().map(|node| format!("{} {}", node.op_type(), node.name())).collect()
}

/// `x: N, T, 8`.
fn described(value: &ValueInfoProto) -> String {
    let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else {
        panic!("a tensor")
    };
    let dim = |value: &Option<Value>| match value {
        Some(Value::DimValue(extent)) => extent.to_string(),
        Some(Value::DimParam(name)) => name.clone(),
        None => "?".into(),
    };
    let dims: Vec<String> = tensor.shape.iter().flat_map(|shape| &shape.dim).map(|d| dim(&d.value)).collect();
    format!("{}: {}", value.name(), dims.join(", "))
}

#[test]
fn layers_are_operators_of_their_names() {
    let cases: [(GraphProto, &[&str]); 6] = [
        (
            model::<Warped>(),
            &[
                "Conv conv",
                "GridSample GridSample",
                "Mul Mul",
                "GridSample GridSample_1",
                "Mul Mul_1",
                "GridSample GridSample_2",
            ],
        ),
        (
            model::<LeNet>(),
            &[
                "Conv conv1",
                "Relu relu1",
                "MaxPool pool1",
                "Reshape flatten/Reshape",
                "Gemm fc1",
                "Relu relu2",
                "Gemm fc2",
            ],
        ),
        (
            model::<ResNet>(),
            &[
                "Conv conv",
                "BatchNormalization bn",
                "Relu Relu",
                "Conv layers.0.conv1",
                "BatchNormalization layers.0.bn1",
                "Relu layers.0/Relu",
                "Conv layers.0.conv2",
                "BatchNormalization layers.0.bn2",
                "Add layers.0/Add",
                "Relu layers.0/Relu_1",
                "Conv layers.1.conv1",
                "BatchNormalization layers.1.bn1",
                "Relu layers.1/Relu",
                "Conv layers.1.conv2",
                "BatchNormalization layers.1.bn2",
                "Add layers.1/Add",
                "Relu layers.1/Relu_1",
                "GlobalAveragePool pool",
                "Reshape Reshape",
                "Gemm fc",
            ],
        ),
        (
            model::<Generator>(),
            &["ConvTranspose net.0", "BatchNormalization net.1", "Relu net.2", "ConvTranspose net.3", "Tanh net.4"],
        ),
        (
            model::<UNet>(),
            &[
                "Conv down",
                "GroupNormalization norm",
                "Sigmoid Sigmoid",
                "Mul Mul",
                "MaxPool MaxPool",
                "Conv inner",
                "InstanceNormalization instance",
                "Sigmoid Sigmoid_1",
                "Mul Mul_1",
                "ConvTranspose up",
                "Resize smooth",
                "Concat Concat",
                "Conv out",
                "Sigmoid Sigmoid_2",
            ],
        ),
        (
            model::<Sequences>(),
            &[
                "Transpose Transpose",
                "Transpose Transpose_1",
                "Transpose lstm/Transpose",
                "Slice lstm/Slice",
                "Slice lstm/Slice_1",
                "LSTM lstm",
                "Transpose lstm/Transpose_1",
                "Reshape lstm/Reshape",
                "Slice lstm/Slice_2",
                "Slice lstm/Slice_3",
                "LSTM lstm/LSTM",
                "Transpose lstm/Transpose_2",
                "Reshape lstm/Reshape_1",
                "Transpose lstm/Transpose_3",
                "Concat lstm/Concat",
                "Concat lstm/Concat_1",
                "Transpose Transpose_2",
                "GRU gru",
                "Squeeze gru/Squeeze",
                "RNN rnn",
                "Squeeze rnn/Squeeze",
                "Transpose Transpose_3",
                "Transpose out/Transpose",
                "MatMul out",
                "Add out/Add",
                "Add Add",
                "Transpose Transpose_4",
                "Reshape Reshape",
            ],
        ),
    ];
    for (graph, expected) in cases {
        assert_eq!(operators(&graph), expected, "{}", graph.name());
    }
}

#[test]
fn parameters_and_values_have_names_and_shapes() {
    let graph = model::<Tagger>();
    let inputs: Vec<String> = graph.input.iter().map(described).collect();
    assert_eq!(inputs, ["x: N, T", "padding: N, T"]);
    assert_eq!(graph.output.iter().map(described).collect::<Vec<_>>(), ["prediction: N, T, 5"]);
    let initializers: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name()).collect();
    for (name, _) in parameters(&Tagger::init(0)) {
        assert!(initializers.contains(&&name[..]), "{name} is not among {initializers:?}");
    }
    let operators = operators(&graph);
    for expected in ["Gather words", "LayerNormalization encoder.norm1", "Gelu encoder/Gelu", "LogSoftmax LogSoftmax"] {
        assert!(operators.iter().any(|operator| operator == expected), "{expected} is not among {operators:?}");
    }
    let values: Vec<String> = graph.value_info.iter().map(described).collect();
    assert!(values.contains(&"words: N, T, 8".to_owned()), "{values:?}");

    let graph = model::<UNet>();
    assert_eq!(graph.input.iter().map(described).collect::<Vec<_>>(), ["x: N, 1, 8*T, 8"]);
    assert!(graph.value_info.iter().map(described).any(|value| value == "MaxPool: N, 4, 4*T, 4"));
    let graph = model::<Sequences>();
    let outputs: Vec<String> = graph.output.iter().map(described).collect();
    assert_eq!(outputs, ["out: N, T, 2", "output1: N, 4, 4", "output2: N, 4"]);
}

fn parameters(model: &impl Parameters) -> Vec<(String, Shape)> {
    let mut names = Vec::new();
    model.each_parameter(&mut |name, parameter| names.push((name.to_owned(), parameter.shape())));
    names
}

#[test]
fn sizes_may_be_fixed() {
    let tagger = Tagger::init(0);
    let bytes = OnnxExport::new(&tagger).batch(2).extent("T", 9).bytes().unwrap();
    let graph = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap();
    assert_eq!(graph.input.iter().map(described).collect::<Vec<_>>(), ["x: 2, 9", "padding: 2, 9"]);
    assert!(graph.node.iter().all(|node| node.op_type() != "Shape"));
    // What is computed in another way for other lengths is written for one.
    let bytes = OnnxExport::new(&Doubling::init(0)).extent("T", 5).bytes().unwrap();
    assert!(!bytes.is_empty());
}

#[test]
fn data_may_lie_beside() {
    let folder = Folder::new("beside");
    let lenet = LeNet::init(0);
    let path = folder.path("net.onnx");
    OnnxExport::new(&lenet).external_data(true).save(&path).unwrap();
    assert_eq!(folder.files(), ["net.onnx", "net.onnx.data"]);
    let graph = ModelProto::decode(&std::fs::read(&path).unwrap()[..]).unwrap().graph.unwrap();
    let data = std::fs::read(folder.path("net.onnx.data")).unwrap();
    let tensor = graph.initializer.iter().find(|tensor| tensor.name() == "fc1.weight").unwrap();
    assert!(tensor.raw_data.is_none());
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).unwrap().value().to_owned();
    assert_eq!(entry("location"), "net.onnx.data");
    let (offset, length): (usize, usize) = (entry("offset").parse().unwrap(), entry("length").parse().unwrap());
    let weight: Vec<u8> = lenet.fc1.weight.value.iter().flat_map(|number| number.to_le_bytes()).collect();
    assert!(data[offset..offset + length] == weight);

    let loaded = |path: &std::path::Path| {
        let mut other = LeNet::init(5);
        other.load_with(path, LoadOptions::new().strict(false)).map(|_| other.fc1.weight.value.clone())
    };
    assert_eq!(loaded(&path).unwrap(), lenet.fc1.weight.value);

    lenet.export_onnx(&path).unwrap();
    assert_eq!(loaded(&path).unwrap(), lenet.fc1.weight.value);
    // Numbers may stand in the field of their type, too; a file elsewhere is none beside it.
    let mut model = ModelProto::decode(&std::fs::read(&path).unwrap()[..]).unwrap();
    let tensors = &mut model.graph.as_mut().unwrap().initializer;
    let tensor = tensors.iter_mut().find(|tensor| tensor.name() == "fc1.weight").unwrap();
    tensor.raw_data = None;
    tensor.float_data = lenet.fc1.weight.value.iter().copied().collect();
    assert_eq!(loaded(&folder.file("fields.onnx", &model.encode_to_vec())).unwrap(), lenet.fc1.weight.value);
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    let location = kiln::kiln_onnx::proto::StringStringEntryProto {
        key: Some("location".into()),
        value: Some("../net.onnx.data".into()),
    };
    (tensor.external_data, tensor.data_location) = (vec![location], Some(1));
    let error = loaded(&folder.file("elsewhere.onnx", &model.encode_to_vec())).unwrap_err().to_string();
    assert!(error.contains("not beside the file"), "{error}");
    let graph = ModelProto::decode(&std::fs::read(&path).unwrap()[..]).unwrap().graph.unwrap();
    assert!(graph.initializer.iter().all(|tensor| tensor.raw_data.is_some()));
}

#[test]
fn what_can_not_be_written_is_named() {
    fn error<M: Model>() -> String {
        OnnxExport::new(&M::init(0)).bytes().unwrap_err().to_string()
    }
    let drawn = error::<Drawn>();
    assert!(drawn.starts_with("cannot write the model as ONNX: `random` (tests/export/networks.rs:"), "{drawn}");
    assert!(drawn.ends_with(
        "has no form in ONNX: its numbers are of Kiln's own generator; let the network take them as an input"
    ));
    let doubling = error::<Doubling>();
    let expected = "cannot write the model as ONNX: the network computes in another way for other sizes, from `";
    assert!(doubling.starts_with(expected) && doubling.contains("`batch`, `extent`"), "{doubling}");
    let unknown = OnnxExport::new(&LeNet::init(0)).extent("T", 4).bytes().unwrap_err().to_string();
    assert!(unknown.contains("`T`"), "{unknown}");
    assert!(OnnxExport::new(&LeNet::init(0)).batch(0).bytes().is_err());
    let stepped = Stepped::init(0);
    let error = |name: &str| OnnxExport::of_eval(&stepped, name).err().expect("an error").to_string();
    assert!(error("learn").starts_with("`learn` is a `step`, which trains"), "{}", error("learn"));
    assert!(error("tels").contains("there is no program `tels`"), "{}", error("tels"));
    let folder = Folder::new("nowhere");
    assert!(LeNet::init(0).export_onnx(folder.path("no/such.onnx")).unwrap_err().to_string().contains("such.onnx"));
}
