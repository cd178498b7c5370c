//! For which sizes programs are compiled: the usual ones, which `build()` compiles and reports show, and those of a
//! call. Knows declared shapes and those that are given, and no data.

use kiln_graph::shape::{MAX_EXTENT, MAX_FREE, Misfit, Sizes, extent};
use kiln_graph::{GraphError, Message, Shape, ShapeError, Type};

use super::error::TrainError;

/// What a free extent is for `build()` where nobody has said it.
const USUAL: usize = 16;

/// That a size is one that an axis may have, before anything is multiplied by it.
pub(crate) fn countable(size: usize) -> Result<(), TrainError> {
    match size {
        0..=MAX_EXTENT => Ok(()),
        _ => Err(GraphError::from(ShapeError::TooLarge { shape: Shape::new(&[size]) }).into()),
    }
}

/// The usual sizes of the free extents, as far as they were said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extents {
    given: [Option<(&'static str, usize)>; MAX_FREE],
    /// One more than a model may have.
    beyond: Option<&'static str>,
    /// How often the size of those that nobody has said was halved.
    halved: u32,
}

impl Extents {
    /// With the usual size of one, in the place of what was said before.
    pub fn with(mut self, name: &'static str, size: usize) -> Extents {
        let place = self.given.iter().position(|given| given.is_none_or(|(known, _)| known == name));
        match place {
            Some(place) => self.given[place] = Some((name, size)),
            None => self.beyond = Some(name),
        }
        self
    }

    /// The usual size of a free extent.
    fn of(&self, free: usize) -> usize {
        let name = text(free);
        let given = self.given.iter().flatten().find(|(known, _)| *known == name.as_str());
        given.map_or(USUAL >> self.halved, |(_, size)| *size)
    }

    /// Whether there is a free extent whose size nobody has said.
    pub fn has_unsaid(&self, inputs: &[Type]) -> bool {
        let is_said = |free: usize| self.given.iter().flatten().any(|(known, _)| *known == text(free).as_str());
        free(inputs).any(|free| !is_said(free))
    }

    /// Halves what nobody has said, if there is such a free extent and its size is more than 1.
    pub fn halve(&mut self, inputs: &[Type]) -> bool {
        let can = USUAL >> self.halved > 1 && self.has_unsaid(inputs);
        self.halved += u32::from(can);
        can
    }

    /// Whether a size was said of the free extent that an extent is computed from.
    #[cfg(feature = "onnx")]
    pub fn says(&self, extent: usize) -> bool {
        let name = text(extent::source(extent));
        self.given.iter().flatten().any(|(known, _)| *known == name.as_str())
    }

    /// That all that was said is said of a free extent of the model, and is no 0.
    pub fn check(&self, inputs: &[Type]) -> Result<(), TrainError> {
        for (name, size) in self.given.iter().flatten().copied().chain(self.beyond.map(|name| (name, 1))) {
            if !free(inputs).any(|free| text(free).as_str() == name) {
                let mut known: Vec<String> = free(inputs).map(|free| text(free).as_str().to_owned()).collect();
                known.sort();
                known.dedup();
                return Err(TrainError::UnknownExtent { found: name.to_owned(), known });
            }
            if size == 0 {
                return Err(TrainError::ZeroExtent { name });
            }
            countable(size)?;
        }
        Ok(())
    }

    /// The usual sizes of a program that takes such inputs.
    pub fn usual(&self, batch: usize, inputs: &[Type]) -> Sizes {
        free(inputs).fold(Sizes::of_batch(batch), |sizes, free| sizes.with(free, self.of(free)))
    }

    /// Whether all free extents have their usual sizes.
    pub fn are_usual(&self, sizes: &Sizes) -> bool {
        sizes.free().all(|(free, size)| self.of(free) == size)
    }
}

/// The free extents in some types, each as often as it stands there.
fn free(types: &[Type]) -> impl Iterator<Item = usize> {
    let extents = types.iter().flat_map(|ty| (0..ty.shape.rank()).map(move |axis| ty.shape.dim(axis)));
    extents.filter(|extent| extent::is_free(*extent)).map(extent::source)
}

/// `T`, `2 * T`
fn text(free: usize) -> Message {
    Message::new().number(free)
}

/// Why an input's sizes are not those of the inputs before it, which are declared so; nothing where its shape differs, or
/// the batch size.
pub(crate) fn differs(
    misfit: Misfit,
    input: &'static str,
    mut before: impl Iterator<Item = (&'static str, Shape)>,
) -> Option<TrainError> {
    match misfit {
        Misfit::Shape | Misfit::Differs { free: Shape::N, .. } => None,
        Misfit::NoValue { declared, found } => {
            Some(TrainError::NoExtent { input, declared: text(declared).as_str().to_owned(), found })
        }
        Misfit::Differs { free, before: expected, here: found } => {
            let has =
                |shape: &Shape| shape.dims().iter().any(|&dim| extent::is_free(dim) && extent::source(dim) == free);
            let first = before.find(|(_, shape)| has(shape)).map(|(name, _)| name);
            Some(TrainError::Extent { input, extent: text(free).as_str().to_owned(), found, expected, first })
        }
    }
}
