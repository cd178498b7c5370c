//! Attention in its kinds, and what stands before it: rotary places, causal convolutions with a state. That scores may
//! be computed in blocks of rows is not known here.

use kiln_graph::{DType, Type, Value, functions};

use super::Row;
use super::index::from_front;
use crate::error::Fault;
use crate::read::context::{Context, Results, extent, shape};

pub const TABLE: &[Row] = &[
    Row::new("Attention", 23, attention),
    Row::new("CausalConvWithState", 1, causal_conv).weights(&[1, 2]),
    Row::new("LinearAttention", 1, linear_attention),
    Row::new("RotaryEmbedding", 23, rotary_embedding),
];

/// `[batch, places, heads * features]` as `[batch, heads, places, features]`.
fn heads<'g>(x: Value<'g>, count: usize) -> Result<Value<'g>, Fault> {
    let from = x.shape();
    if from.rank() != 3 || count == 0 || !from.dim(2).is_multiple_of(count) {
        return Err(Fault::invalid(format!("{from} in {count} heads")));
    }
    Ok(x.reshape([from.dim(0), from.dim(1), count, from.dim(2) / count]).transpose(1, 2))
}

/// `[batch, heads, places, features]` as `[batch, places, heads * features]`.
fn together(x: Value<'_>) -> Value<'_> {
    let from = x.shape();
    x.transpose(1, 2).reshape([from.dim(0), from.dim(2), from.dim(1) * from.dim(3)])
}

/// Each head of keys or values for as many heads of queries that share it.
fn shared<'g>(x: Value<'g>, queries: usize) -> Result<Value<'g>, Fault> {
    let own = x.shape().dim(1);
    if own == queries {
        return Ok(x);
    }
    if own == 0 || !queries.is_multiple_of(own) {
        return Err(Fault::invalid(format!("{queries} heads of queries share {own} heads of keys and values")));
    }
    Ok(functions::repeat_interleave(x, queries / own, 1))
}

/// A number of heads that is an attribute.
fn count_of(c: &Context<'_, '_>, name: &str) -> Result<usize, Fault> {
    extent(c.int_of(name)?.ok_or_else(|| Fault::invalid(format!("no `{name}` is given")))?)
}

/// Where a query may look, and what is added to its scores.
struct Masks<'g> {
    looks: Option<Value<'g>>,
    added: Option<Value<'g>>,
    /// Whether it only looks at no later place, from the first on.
    only_causal: bool,
}

fn masks<'g>(c: &Context<'_, 'g>, query: Value<'g>, key: Value<'g>) -> Result<Masks<'g>, Fault> {
    let (batch, queries, keys) = (query.shape().dim(0), query.shape().dim(2), key.shape().dim(2));
    let mut masks = Masks { looks: None, added: None, only_causal: false };
    if let Some(mask) = c.optional(3)? {
        let own = mask.shape();
        let last = own.rank().checked_sub(1).filter(|&last| own.dim(last) <= keys);
        let last = last.ok_or_else(|| Fault::invalid(format!("a mask {own} for {queries} x {keys} places")))?;
        // Keys behind those that it tells of are not looked at.
        let mut behind = vec![0; last + 1];
        behind[last] = keys - own.dim(last);
        match mask.dtype() {
            DType::Bool if behind[last] == 0 => masks.looks = Some(mask),
            DType::Bool => {
                masks.looks = Some(mask.convert(DType::I32).pad(&[], &behind, 0.0).convert(DType::Bool));
            }
            DType::F32 => masks.added = Some(mask.pad(&[], &behind, f64::NEG_INFINITY)),
            DType::Bf16 | DType::U8 | DType::I8 | DType::I32 => return Err(Fault::invalid("a mask of whole numbers")),
        }
    }
    let per_batch = |position: usize| -> Result<Value<'g>, Fault> {
        let lengths = c.number(position)?;
        if lengths.shape().elements() != batch || lengths.dtype() != DType::I32 {
            return Err(Fault::invalid(format!("input {position} should be a whole number for each of the batch")));
        }
        Ok(lengths.reshape([batch, 1, 1, 1]))
    };
    let causal = c.flag("is_causal", false)?;
    let (left, right) = (c.int_attribute("left_window_size", -1)?, c.int_attribute("right_window_size", -1)?);
    if causal || left >= 0 || right >= 0 {
        let before = if c.has(4) { c.shape(4)?.dims().get(2).copied().unwrap_or(0) } else { 0 };
        let outer = if c.has(6) && !c.has(4) { batch } else { 1 };
        let to = [outer, 1, queries, keys];
        let mut place = c.g.iota(to, 2) + before as i32;
        if outer > 1 || c.has(6) && !c.has(4) {
            place = place + (per_batch(6)? - queries as i32).broadcast_to(to);
        }
        let distance = place - c.g.iota(to, 3);
        let within = |size: i64| i32::try_from(size).map_err(|_| Fault::invalid(format!("a window of {size}")));
        let mut looks = masks.looks;
        let mut allow = |mask: Value<'g>| looks = Some(looks.map_or(mask, |before| before & mask));
        if causal {
            allow(distance.ge(0));
        }
        if left >= 0 {
            allow(distance.le(within(left)?));
        }
        if right >= 0 {
            allow(distance.ge(-within(right)?));
        }
        let alone = masks.looks.is_none() && masks.added.is_none() && !c.has(6) && before == 0;
        masks.only_causal = causal && alone && left < 0 && right < 0;
        masks.looks = looks;
    }
    if c.has(6) {
        let to = [batch, 1, 1, keys];
        let filled = c.g.iota(to, 3).lt(per_batch(6)?.broadcast_to(to));
        masks.looks = Some(masks.looks.map_or(filled, |before| before & filled));
    }
    Ok(masks)
}

/// Operands: queries, keys, values, a mask, keys and values of before, the number of keys that count.
/// Results: what was seen, all keys, all values, scores.
fn attention<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (query, key, value) = (c.float(0)?, c.float(1)?, c.float(2)?);
    let flat = query.shape().rank() == 3;
    let [query, mut key, mut value] = if flat {
        let (queries, keys) = (count_of(c, "q_num_heads")?, count_of(c, "kv_num_heads")?);
        [heads(query, queries)?, heads(key, keys)?, heads(value, keys)?]
    } else {
        [query, key, value]
    };
    if [query, key, value].iter().any(|x| x.shape().rank() != 4) {
        return Err(Fault::invalid(format!(
            "queries {}, keys {}, values {}",
            query.shape(),
            key.shape(),
            value.shape()
        )));
    }
    if c.has(4) && c.has(5) {
        // There may be none of before.
        let behind = |position: usize, new: Value<'g>| -> Result<Value<'g>, Fault> {
            let none = c.shape(position)?.elements() == 0;
            Ok(if none { new } else { c.g.concat(&[c.float(position)?, new], 2) })
        };
        (key, value) = (behind(4, key)?, behind(5, value)?);
    }
    let all = [key, value];
    let masks = masks(c, query, key)?;
    let (key, value) = (shared(key, query.shape().dim(1))?, shared(value, query.shape().dim(1))?);
    let features = query.shape().dim(3) as f64;
    let scale = c.float_of("scale")?.unwrap_or(1.0 / features.sqrt());
    let cap = c.float_attribute("softcap", 0.0)?;
    let (result, scores) = if c.wants(3) || cap > 0.0 {
        written_out(c, [query, key, value], &masks, scale, cap)?
    } else {
        let mask = match (masks.looks, masks.added) {
            _ if masks.only_causal => None,
            (Some(looks), Some(added)) => Some(looks.select(added, f64::NEG_INFINITY)),
            (looks, added) => looks.or(added),
        };
        let causal = masks.only_causal;
        (functions::scaled_dot_product_attention(query, key, value, mask, 0.0, causal, Some(scale), false), query)
    };
    let result = if flat { together(result) } else { result };
    [result, all[0], all[1], scores]
        .map(|value| c.like(0, value))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|list| list.concat())
}

/// With a cap on scores, or where scores are wanted.
fn written_out<'g>(
    c: &Context<'_, 'g>,
    [query, key, value]: [Value<'g>; 3],
    masks: &Masks<'g>,
    scale: f64,
    cap: f64,
) -> Result<(Value<'g>, Value<'g>), Fault> {
    let mut raw = (query * scale).matmul(key.transpose(-1, -2));
    if cap > 0.0 {
        raw = (raw / cap).tanh() * cap;
    }
    let mut scores = raw;
    if let Some(added) = masks.added {
        scores = scores + added;
    }
    if let Some(looks) = masks.looks {
        scores = looks.select(scores, f64::NEG_INFINITY);
    }
    // A query that may look at nothing sees nothing.
    let largest = scores.detach().amax_keep(-1);
    let powers = (scores - largest.eq(f64::NEG_INFINITY).select(0.0, largest)).exp();
    let sum = powers.sum_keep(-1);
    let weights = powers / sum.eq(0.0).select(1.0, sum);
    let shown = match c.int_attribute("qk_matmul_output_mode", 0)? {
        0 => raw,
        1 if cap > 0.0 => raw,
        1 | 2 => scores,
        3 => weights,
        other => return Err(Fault::invalid(format!("`qk_matmul_output_mode` is {other}"))),
    };
    Ok((weights.matmul(value), shown))
}

/// Turns pairs of features by angles that grow with the place.
fn rotary_embedding<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let flat = x.shape().rank() == 3;
    let x = if flat { heads(x, count_of(c, "num_heads")?)? } else { x };
    if x.shape().rank() != 4 {
        return Err(Fault::invalid(format!("{} is neither [batch, places, features] nor with heads", x.shape())));
    }
    let (batch, places, features) = (x.shape().dim(0), x.shape().dim(2), x.shape().dim(3));
    let turned = match extent(c.int_attribute("rotary_embedding_dim", 0)?)? {
        0 => features,
        some => some,
    };
    if turned > features || turned % 2 == 1 || turned == 0 {
        return Err(Fault::invalid(format!("{turned} of {features} features are turned")));
    }
    let half = turned / 2;
    let table = |position: usize| -> Result<Value<'g>, Fault> {
        let table = c.float(position)?;
        let rows = if c.has(3) {
            let index = c.number(3)?;
            if table.shape().rank() != 2 || index.dtype() != DType::I32 {
                return Err(Fault::invalid(format!("a table {} by places", table.shape())));
            }
            table.take_rows(from_front(index, table.shape().dim(0)))
        } else {
            table
        };
        if rows.shape().dims() != [batch, places, half] {
            return Err(Fault::invalid(format!("angles {} for {batch} x {places} x {half}", rows.shape())));
        }
        Ok(rows.unsqueeze(1))
    };
    let (cosine, sine) = (table(1)?, table(2)?);
    let part = x.slice(3, 0..turned, 1);
    let interleaved = c.flag("interleaved", false)?;
    let [a, b] = if interleaved {
        [part.slice(3, 0..turned - 1, 2), part.slice(3, 1..turned, 2)]
    } else {
        [part.slice(3, 0..half, 1), part.slice(3, half..turned, 1)]
    };
    let (real, imaginary) = (cosine * a - sine * b, sine * a + cosine * b);
    let result = if interleaved {
        c.g.concat(&[real.unsqueeze(4), imaginary.unsqueeze(4)], 4).reshape(part.shape())
    } else {
        c.g.concat(&[real, imaginary], 3)
    };
    let result = if turned == features { result } else { c.g.concat(&[result, x.slice(3, turned..features, 1)], 3) };
    c.like(0, if flat { together(result) } else { result })
}

/// A convolution of each channel with what came before, which goes on where the last one ended.
fn causal_conv<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight) = (c.float(0)?, c.float(1)?);
    if x.shape().rank() != 3 || weight.shape().rank() != 3 {
        return Err(Fault::invalid(format!("{} with weights {}", x.shape(), weight.shape())));
    }
    let (channels, before) = (x.shape().dim(1), weight.shape().dim(2).saturating_sub(1));
    let all = match before {
        0 => x,
        _ if c.has(3) => c.g.concat(&[c.float(3)?, x], 2),
        _ => x.pad(&[0, 0, before], &[], 0.0),
    };
    let result = functions::conv1d(all, weight, c.optional(2)?, &[1], &[0], &[1], channels);
    let result = match c.text("activation", "none")? {
        "none" => result,
        "silu" | "swish" => functions::silu(result),
        other => return Err(Fault::invalid(format!("`activation` is `{other}`"))),
    };
    let end = all.shape().dim(2);
    if before == 0 {
        // A kernel of one place remembers nothing.
        let none = super::shapes::empty(c.element(0)?, x.shape().with(2, 0))?;
        return Ok([c.like(0, result)?, none].concat());
    }
    let state = all.slice(2, end.saturating_sub(before)..end, 1);
    Ok([c.like(0, result)?, c.like(0, state)?].concat())
}

/// A state `[batch, heads, keys, values]` that each place writes to and reads from:
///
/// ```text
/// for each place t
///     state *= exp(decay_t)                                  gated
///     v_t = beta_t (v_t - state^T k_t)                       delta
///     state += k_t v_t^T
///     result_t = scale state^T q_t
/// ```
fn linear_attention<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let rule = c.text("update_rule", "gated_delta")?;
    let (gated, delta) = match rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(Fault::invalid(format!("`update_rule` is `{other}`"))),
    };
    if gated != c.has(4) || delta != c.has(5) {
        return Err(Fault::invalid(format!("`update_rule` is `{rule}`, for which there must be other inputs")));
    }
    let (queries, keys) = (count_of(c, "q_num_heads")?, count_of(c, "kv_num_heads")?);
    // The places first, which are the steps.
    let first = |x: Value<'g>| x.permute(&[2, 0, 1, 3]);
    let query = first(heads(c.float(0)?, queries)?);
    let (key, value) = (first(heads(c.float(1)?, keys)?), first(heads(c.float(2)?, keys)?));
    let [length, batch, _, features] = *query.shape().dims() else { unreachable!("four axes") };
    let columns = value.shape().dim(3);
    if key.shape().dims() != [length, batch, keys, features] || value.shape().dims()[..3] != [length, batch, keys] {
        return Err(Fault::invalid(format!(
            "queries {}, keys {}, values {}",
            query.shape(),
            key.shape(),
            value.shape()
        )));
    }
    let scale = match c.float_attribute("scale", 0.0)? {
        0.0 => 1.0 / (features as f64).sqrt(),
        scale => scale,
    };
    let to = shape(&[batch, keys, features, columns])?;
    // Operands in the order of the body's inputs.
    let body = c.g.body("linear attention");
    let mut operands = vec![query, key, value];
    let q = body.input("query", [batch, queries, features]);
    let k = body.input("key", [batch, keys, features]);
    let mut v = body.input("value", [batch, keys, columns]);
    let mut decay = None;
    if gated {
        let given = c.float(4)?;
        let given = first(heads(given, keys)?);
        let width = given.shape().dim(3);
        if width != 1 && width != features {
            return Err(Fault::invalid(format!("a decay {} for {keys} heads of {features}", c.shape(4)?)));
        }
        operands.push(given);
        decay = Some(body.input("decay", [batch, keys, width]));
    }
    let mut beta = None;
    if delta {
        let given = c.float(5)?;
        let width = given.shape().dims().get(2).copied().unwrap_or(0);
        let given = first(heads(given, width)?);
        operands.push(given);
        beta = Some(body.input("beta", [batch, width, 1]));
    }
    operands.push(match c.optional(3)? {
        Some(state) => state,
        None => c.g.full(to, 0.0),
    });
    let before = body.state("state", Type::f32(to));
    let mut state = before;
    if let Some(decay) = decay {
        state = state * decay.exp().unsqueeze(3);
    }
    if let Some(beta) = beta {
        v = beta * (v - (state * k.unsqueeze(3)).sum(2));
    }
    state = state + k.unsqueeze(3) * v.unsqueeze(2);
    body.carry(before, state);
    let read = shared(state, queries)?;
    body.output("result", (read * q.unsqueeze(3)).sum(2) * scale);
    let results = c.g.scan(body, &operands, length, false);
    let [last, rows] = results[..] else { return Err(Fault::unsupported("a recurrence without results")) };
    let result = rows.permute(&[1, 0, 2, 3]).reshape([batch, length, queries * columns]);
    Ok([c.like(0, result)?, c.like(0, last)?].concat())
}
