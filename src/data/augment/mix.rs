//! Augmentation of a whole batch, whose targets become probabilities of classes. It knows batches and labels, and
//! nothing of the source that they come from.

use ndarray::{Array, Array2, ArrayBase, Axis, Data, Dimension, Ix1, RemoveAxis, Slice};

use crate::data::{DataError, Random};

/// Mixes each sample of a batch with the one before it (the first with the last): `lambda x[i] + (1 - lambda) x[i -
/// 1]`, its target likewise, where `lambda` is beta distributed.
///
/// ```
/// use kiln::data::Random;
/// use kiln::data::augment::MixUp;
/// use ndarray::{Array2, array};
///
/// let (x, y) = (array![[1.0], [0.0]], array![0, 1]);
/// // Of a batch in a loop: `Random::new(seed, epoch, number of the batch)`.
/// let (x, y): (Array2<f32>, Array2<f32>) = MixUp::new(1.0, 2).apply(&x, &y, &mut Random::new(7, 0, 0))?;
/// assert_eq!(y.row(0)[0], x[[0, 0]]);
/// assert_eq!(y.row(0).sum(), 1.0);
/// # Ok::<(), kiln::data::DataError>(())
/// ```
///
/// What comes out is a target of the cross-entropy of class probabilities: `cross_entropy` in a `step` of
/// [`model!`](macro@crate::model) takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixUp {
    alpha: f64,
    classes: usize,
}

impl MixUp {
    /// With both parameters of the beta distribution `alpha` (above 0; 1 is uniform), for labels of so many classes.
    pub fn new(alpha: f64, classes: usize) -> MixUp {
        MixUp { alpha, classes }
    }

    /// The mixed batch, and `[batch, classes]` probabilities.
    ///
    /// # Errors
    /// [`DataError::Augment`] where samples and labels are not equally many, or a label is no class.
    pub fn apply<D: Dimension + RemoveAxis, T: Copy + TryInto<usize>>(
        &self,
        x: &ArrayBase<impl Data<Elem = f32>, D>,
        y: &ArrayBase<impl Data<Elem = T>, Ix1>,
        random: &mut Random,
    ) -> Result<(Array<f32, D>, Array2<f32>), DataError> {
        let labels = check("MixUp", x, y, self.classes)?;
        let lambda = random.beta(self.alpha) as f32;
        let mut mixed = x.to_owned();
        let rows = labels.len();
        for (row, mut to) in mixed.axis_iter_mut(Axis(0)).enumerate() {
            let other = x.index_axis(Axis(0), before(row, rows));
            to.zip_mut_with(&other, |value, other| *value = lambda * *value + (1.0 - lambda) * other);
        }
        Ok((mixed, probabilities(&labels, self.classes, lambda)))
    }
}

/// Puts a random rectangle of the sample before it into each image of a batch `[batch, channels, height, width]` (of
/// the last into the first). Its target has as much of the other class as the image has of the other image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutMix {
    alpha: f64,
    classes: usize,
}

impl CutMix {
    /// The part of an image that stays is beta distributed (before the rectangle is cut at the image's border), with
    /// both parameters `alpha` (above 0; 1 is uniform), for labels of so many classes.
    pub fn new(alpha: f64, classes: usize) -> CutMix {
        CutMix { alpha, classes }
    }

    /// The mixed batch, and `[batch, classes]` probabilities. The last two axes are height and width.
    ///
    /// # Errors
    /// As [`MixUp::apply`]; [`DataError::Augment`] where there are fewer than three axes.
    pub fn apply<D: Dimension + RemoveAxis, T: Copy + TryInto<usize>>(
        &self,
        x: &ArrayBase<impl Data<Elem = f32>, D>,
        y: &ArrayBase<impl Data<Elem = T>, Ix1>,
        random: &mut Random,
    ) -> Result<(Array<f32, D>, Array2<f32>), DataError> {
        let labels = check("CutMix", x, y, self.classes)?;
        let &[.., height, width] = x.shape() else { return Err(error("CutMix", x.shape(), "it takes images")) };
        if x.ndim() < 3 {
            return Err(error("CutMix", x.shape(), "it takes images"));
        }
        let half = 0.5 * (1.0 - random.beta(self.alpha)).sqrt();
        let mut cut = |extent: usize| {
            let (middle, half) = (random.below(extent), (half * extent as f64) as usize);
            middle.saturating_sub(half)..(middle + half).min(extent)
        };
        let (columns, rows_cut) = (cut(width), cut(height));
        let kept = 1.0 - (rows_cut.len() * columns.len()) as f64 / (height * width).max(1) as f64;
        let mut mixed = x.to_owned();
        let (rows, last) = (labels.len(), x.ndim() - 2);
        for (row, mut to) in mixed.axis_iter_mut(Axis(0)).enumerate() {
            let mut from = x.index_axis(Axis(0), before(row, rows));
            to.slice_axis_inplace(Axis(last - 1), Slice::from(rows_cut.clone()));
            from.slice_axis_inplace(Axis(last - 1), Slice::from(rows_cut.clone()));
            to.slice_axis_inplace(Axis(last), Slice::from(columns.clone()));
            from.slice_axis_inplace(Axis(last), Slice::from(columns.clone()));
            to.assign(&from);
        }
        Ok((mixed, probabilities(&labels, self.classes, kept as f32)))
    }
}

/// The row before, cyclically.
fn before(row: usize, rows: usize) -> usize {
    (row + rows - 1) % rows
}

fn error(step: &'static str, shape: &[usize], reason: impl Into<String>) -> DataError {
    DataError::Augment { step, found: shape.to_vec(), reason: reason.into() }
}

/// The labels, if they are classes, and as many as samples.
fn check<D: Dimension, T: Copy + TryInto<usize>>(
    step: &'static str,
    x: &ArrayBase<impl Data<Elem = f32>, D>,
    y: &ArrayBase<impl Data<Elem = T>, Ix1>,
    classes: usize,
) -> Result<Vec<usize>, DataError> {
    if x.shape()[0] != y.len() {
        return Err(error(step, x.shape(), format!("there are {} labels", y.len())));
    }
    let label = |(row, &label): (usize, &T)| match label.try_into() {
        Ok(label) if label < classes => Ok(label),
        _ => Err(error(step, x.shape(), format!("label {row} is none of {classes} classes, which count from 0"))),
    };
    y.iter().enumerate().map(label).collect()
}

/// Of each row `lambda` for its label, and the rest for that of the row before.
fn probabilities(labels: &[usize], classes: usize, lambda: f32) -> Array2<f32> {
    let mut probabilities = Array2::zeros((labels.len(), classes));
    for (row, &label) in labels.iter().enumerate() {
        probabilities[[row, label]] += lambda;
        probabilities[[row, labels[before(row, labels.len())]]] += 1.0 - lambda;
    }
    probabilities
}
