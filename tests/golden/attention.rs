//! Attention layers.

use kiln_graph::layers::attention::{AttentionWeights, Projections, multihead_attention};
use kiln_graph::shape::rules::{Attention, AttentionInputs};
use kiln_graph::{Builder, DType, Type, Value};

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// The name of the layer.
pub const LAYER: &str = "MultiheadAttention";

/// The result and the weights; one input looks at itself.
pub fn compute<'g>(attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let query = given.find("input.0").ok_or_else(|| Refusal::later(LAYER))?;
    let key = given.find("input.1").unwrap_or(query);
    let inputs = AttentionInputs {
        query,
        key,
        value: given.find("input.2").unwrap_or(key),
        key_padding_mask: given.find("input.key_padding_mask").map(|mask| mask.ne(0)),
        attn_mask: given.find("input.attn_mask").map(|mask| if mask.dtype() == DType::I32 { mask.ne(0) } else { mask }),
        is_causal: attributes.flag("causal"),
        average_attn_weights: true,
    };
    apply(attributes, &inputs, &|name| given.find(&format!("param.{name}"))).map(Vec::from)
}

/// The layer applied to inputs.
pub fn apply<'g>(
    attributes: &Attributes,
    inputs: &AttentionInputs<Value<'g>>,
    parameter: &dyn Fn(&str) -> Option<Value<'g>>,
) -> Result<[Value<'g>; 2], Refusal> {
    let need = |name: &str| parameter(name).ok_or_else(|| Refusal::Case(format!("the layer has no {name}")));
    let projections = match parameter("in_proj_weight") {
        Some(weight) => Projections::Packed(weight),
        None => Projections::Apart([need("q_proj_weight")?, need("k_proj_weight")?, need("v_proj_weight")?]),
    };
    let weights = AttentionWeights {
        projections,
        in_proj_bias: parameter("in_proj_bias"),
        bias_kv: parameter("bias_k").zip(parameter("bias_v")).map(|(k, v)| [k, v]),
        out_proj_weight: need("out_proj.weight")?,
        out_proj_bias: parameter("out_proj.bias"),
    };
    let embed_dim = size(attributes, "embed_dim");
    let or_embed = |name: &str| attributes.int(name).map_or(embed_dim, |dim| dim as usize);
    let of = Attention {
        embed_dim,
        num_heads: size(attributes, "num_heads"),
        kdim: or_embed("kdim"),
        vdim: or_embed("vdim"),
        add_bias_kv: attributes.flag("add_bias_kv"),
        add_zero_attn: attributes.flag("add_zero_attn"),
        batch_first: attributes.flag("batch_first"),
        dropout: attributes.f64("dropout").unwrap_or(0.0),
    };
    Ok(multihead_attention(inputs, &weights, &of))
}

fn size(attributes: &Attributes, name: &str) -> usize {
    attributes.int(name).unwrap_or(1) as usize
}

/// The parameters of a layer that is made of its attributes, and an input if there is none.
pub fn declare<'g>(g: &'g Builder, attributes: &Attributes, given: &mut Given<'g>) {
    let embed = size(attributes, "embed_dim");
    let input = given.find("input.0").unwrap_or_else(|| g.input("input.0", [3, 2, embed]));
    given.values.insert("input.0".into(), input);
    for (name, extents) in [("in_proj_weight", [3 * embed, embed]), ("out_proj.weight", [embed, embed])] {
        let name = format!("param.{name}");
        given.values.insert(name.clone(), g.state(&name, Type::f32(extents)));
    }
}
