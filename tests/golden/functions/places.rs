//! Functions that move, choose, put and make elements, and change shapes.

use kiln_graph::{DType, functions};
use serde_json::{Value as Json, json};

use super::{Call, Results};
use crate::case::Refusal;

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    let absent = |name: &str| Refusal::Case(format!("no `{name}`"));
    let int = |name: &str| call.attributes.int(name).ok_or_else(|| absent(name));
    let ints = |name: &str| call.attributes.ints(name).ok_or_else(|| absent(name));
    let at = |place| call.at(place);
    let Ok(x) = at(0) else { return Ok(None) };
    let value = match call.op {
        "broadcast_to" => functions::expand(x, &call.extents("size")?),
        "expand" => functions::expand(x, &call.extents("size")?),
        "expand_as" => functions::expand_as(x, at(1)?),
        "view" => functions::reshape(x, &call.extents("size")?),
        "reshape" => functions::reshape(x, &call.extents("shape")?),
        "view_as" => functions::view_as(x, at(1)?),
        "cat" => functions::cat(&call.operands, call.int("dim", 0)),
        "stack" => functions::stack(&call.operands, call.int("dim", 0)),
        "hstack" => functions::hstack(&call.operands),
        "vstack" | "row_stack" => functions::vstack(&call.operands),
        "dstack" => functions::dstack(&call.operands),
        "column_stack" => functions::column_stack(&call.operands),
        "chunk" => return Ok(Some(functions::chunk(x, call.size("chunks", 1)?, call.int("dim", 0)))),
        "split" | "split_with_sizes" => {
            let sizes = call.sizes("split_size_or_sections", &[])?;
            return Ok(Some(match call.attributes.get("split_size_or_sections").is_some_and(Json::is_array) {
                true => functions::split_with_sizes(x, &sizes, call.int("dim", 0)),
                false => functions::split(x, sizes[0], call.int("dim", 0)),
            }));
        }
        "unbind" => return Ok(Some(functions::unbind(x, call.int("dim", 0)))),
        "block_diag" => functions::block_diag(&call.operands),
        "cartesian_prod" => functions::cartesian_prod(&call.operands),
        "combinations" => functions::combinations(x, call.size("r", 2)?, call.flag("with_replacement", false)),
        "diagflat" => functions::diagflat(x, call.int("offset", 0)),
        "diagonal_scatter" => {
            let (dim1, dim2) = (call.int("dim1", 0), call.int("dim2", 1));
            functions::diagonal_scatter(x, at(1)?, call.int("offset", 0), dim1, dim2)
        }
        "index_put" => {
            let [_, indices @ .., values] = call.operands.as_slice() else { return Err(absent("indices")) };
            if indices.iter().any(|index| index.dtype() == DType::Bool) {
                return Err(Refusal::later("index_put by a mask"));
            }
            functions::index_put(x, indices, *values, call.flag("accumulate", false))
        }
        "unfold_copy" => functions::unfold_along(x, int("dimension")?, call.size("size", 1)?, call.size("step", 1)?),
        "unravel_index" => return Ok(Some(functions::unravel_index(x, &call.sizes("shape", &[])?))),
        "slice_scatter" => {
            let end = call.attributes.int("end").unwrap_or(isize::MAX);
            functions::slice_scatter(x, at(1)?, call.int("dim", 0), call.int("start", 0), end, call.size("step", 1)?)
        }
        "select_scatter" => functions::select_scatter(x, at(1)?, int("dim")?, int("index")?),
        "take" => functions::take(x, at(1)?),
        "meshgrid" => return Ok(Some(functions::meshgrid(&call.operands, call.text("indexing", "ij")))),
        "diag" => functions::diag(x, call.int("diagonal", 0)),
        "diag_embed" => functions::diag_embed(x, call.int("offset", 0), call.int("dim1", -2), call.int("dim2", -1)),
        "diagonal" => functions::diagonal(x, call.int("offset", 0), call.int("dim1", 0), call.int("dim2", 1)),
        "flatten" => functions::flatten(x, call.int("start_dim", 0), call.int("end_dim", -1)),
        "unflatten" => functions::unflatten(x, int("dim")?, &ints("sizes")?),
        "flip" => functions::flip(x, &ints("dims")?),
        "fliplr" => functions::fliplr(x),
        "flipud" => functions::flipud(x),
        "ravel" => functions::ravel(x),
        "t" => functions::t(x),
        "gather" => x.gather(int("dim")?, at(1)?),
        "index_add" => functions::index_add(x, int("dim")?, at(1)?, at(2)?, call.number_or("alpha", 1.0)),
        "index_fill" => functions::index_fill(x, int("dim")?, at(1)?, call.need("value")?),
        "index_select" => functions::index_select(x, int("dim")?, at(1)?),
        "scatter" => {
            call.lacks(&[("reduce", json!("none"))])?;
            match at(2) {
                Ok(src) => functions::scatter(x, int("dim")?, at(1)?, src),
                Err(_) => functions::scatter(x, int("dim")?, at(1)?, call.need("src")?),
            }
        }
        "scatter_reduce" => {
            let (reduce, include) = (call.text("reduce", ""), call.flag("include_self", true));
            functions::scatter_reduce(x, int("dim")?, at(1)?, at(2)?, reduce, include)
        }
        "take_along_dim" => functions::take_along_dim(x, at(1)?, call.attributes.int("dim")),
        "index_copy" => functions::index_copy(x, int("dim")?, at(1)?, at(2)?),
        "scatter_add" => functions::scatter_add(x, int("dim")?, at(1)?, at(2)?),
        "movedim" => functions::movedim(x, &ints("source")?, &ints("destination")?),
        "narrow" => functions::narrow(x, int("dim")?, int("start")?, call.size("length", 1)?),
        "one_hot" => match int("num_classes") {
            Ok(-1) | Err(_) => return Err(Refusal::later("one_hot without num_classes")),
            Ok(_) => functions::one_hot(x, call.size("num_classes", 1)?),
        },
        "permute" => functions::permute(x, &ints("dims")?),
        "repeat" => functions::repeat(x, &call.sizes("repeats", &[])?),
        "tile" => functions::tile(x, &call.sizes("dims", &[])?),
        "repeat_interleave" => {
            if call.operands.len() > 1 {
                return Err(Refusal::later("repeat_interleave by a tensor"));
            }
            match call.attributes.int("dim") {
                Some(axis) => functions::repeat_interleave(x, call.size("repeats", 1)?, axis),
                None => functions::repeat_interleave_all(x, call.size("repeats", 1)?),
            }
        }
        "roll" => {
            let axes = call.attributes.ints("dims").filter(|axes| !axes.is_empty());
            match axes {
                Some(axes) => functions::roll(x, &ints("shifts")?, &axes),
                None => functions::roll_all(x, ints("shifts")?[0]),
            }
        }
        "rot90" => functions::rot90(x, call.int("k", 1), &call.attributes.ints("dims").unwrap_or(vec![0, 1])),
        "select" => functions::select(x, int("dim")?, int("index")?),
        "slice" => {
            let end = call.attributes.int("end").unwrap_or(isize::MAX);
            functions::slice(x, call.int("dim", 0), call.int("start", 0), end, call.size("step", 1)?)
        }
        "squeeze" => match call.attributes.ints("dim") {
            Some(axes) => functions::squeeze(x, &axes),
            None => functions::squeeze(x, &(0..x.shape().rank() as isize).collect::<Vec<_>>()),
        },
        "unsqueeze" => x.unsqueeze(int("dim")?),
        "transpose" => x.transpose(int("dim0")?, int("dim1")?),
        "tril" => functions::tril(x, call.int("diagonal", 0)),
        "triu" => functions::triu(x, call.int("diagonal", 0)),
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}
