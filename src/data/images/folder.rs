//! Folders of images, a folder for each class. Knows no pixels.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array3;

use super::{Channels, read_image, resize};
use crate::data::source::check_index;
use crate::data::{DataError, Source};

/// Ends of names of images, in any case.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// A source of labelled images: `root/cat/1.png`, `root/cat/more/2.jpg`, `root/dog/3.png`. The classes are the folders
/// in `root`, by their names in order. PyTorch's (torchvision's) `ImageFolder`; of the feature `images`.
///
/// An image is read and decoded when it is asked for, `[channels, height, width]` from 0 to 1: let a
/// [`Loader`](crate::data::Loader) have workers, or [keep](crate::data::SourceExt::cache) what fits in memory.
///
/// ```no_run
/// use kiln::data::ImageFolder;
/// use kiln::data::augment::{Crop, Flip};
/// use kiln::prelude::*;
///
/// let images = ImageFolder::new("pictures")?.resize([72, 72]);
/// println!("{} images of {:?}", images.len(), images.classes());
/// let [train, valid] = images.stratified_split([0.8, 0.2], 42)?;
/// let train = Loader::new(train.augment((Flip::horizontal(0.5), Crop::new(64)))).batch(32).shuffle(0).workers(2);
/// for batch in train.epoch(0) {
///     let (x, y) = batch?;                             // [32, 3, 64, 64] and [32]
/// }
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    classes: Vec<String>,
    files: Vec<(PathBuf, i32)>,
    channels: Channels,
    size: Option<[usize; 2]>,
}

impl ImageFolder {
    /// Looks for images in the folders of a folder, however deep. What does not end as `.png`, `.jpg` or `.jpeg` is
    /// passed over, and so is what lies beside the folders of classes.
    ///
    /// # Errors
    /// [`DataError::Read`] for a folder that can not be read; [`DataError::NoClasses`]; [`DataError::NoImages`] for a
    /// class without any.
    pub fn new(root: impl AsRef<Path>) -> Result<ImageFolder, DataError> {
        let root = root.as_ref();
        let (mut classes, mut files) = (Vec::new(), Vec::new());
        let mut above = vec![place_of(root)?];
        for path in entries(root)?.into_iter().filter(|path| path.is_dir()) {
            let label = classes.len() as i32;
            classes.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            let before = files.len();
            search(&path, &mut above, &mut |file| files.push((file, label)))?;
            if files.len() == before {
                return Err(DataError::NoImages { path });
            }
        }
        if classes.is_empty() {
            return Err(DataError::NoClasses { path: root.into() });
        }
        Ok(ImageFolder { classes, files, channels: Channels::default(), size: None })
    }

    /// Which channels images have. Default red, green and blue.
    pub fn channels(mut self, channels: Channels) -> ImageFolder {
        self.channels = channels;
        self
    }

    /// Scales each image to this height and width: see [`resize`](crate::data::resize). Default: images keep their
    /// size.
    ///
    /// # Panics
    /// If one of them is 0.
    pub fn resize(mut self, size: [usize; 2]) -> ImageFolder {
        assert!(!size.contains(&0), "an image has at least one pixel");
        self.size = Some(size);
        self
    }

    /// The names of the classes, by their labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The files with their labels, in the order of the samples.
    pub fn files(&self) -> &[(PathBuf, i32)] {
        &self.files
    }
}

/// A folder without links in its path.
fn place_of(folder: &Path) -> Result<PathBuf, DataError> {
    folder.canonicalize().map_err(|source| DataError::Read { path: folder.into(), source })
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let error = |source| DataError::Read { path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(error)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(error)?;
    paths.sort_unstable();
    Ok(paths)
}

/// Finds the images in a folder and in those in it. Links are followed, but not to a folder that this one lies in.
fn search(folder: &Path, above: &mut Vec<PathBuf>, found: &mut impl FnMut(PathBuf)) -> Result<(), DataError> {
    let place = place_of(folder)?;
    if above.contains(&place) {
        return Ok(());
    }
    above.push(place);
    for path in entries(folder)? {
        if path.is_dir() {
            search(&path, above, found)?;
        } else if path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known))) {
            found(path);
        }
    }
    above.pop();
    Ok(())
}

impl Source for ImageFolder {
    type Input = Array3<f32>;
    type Target = i32;

    fn len(&self) -> usize {
        self.files.len()
    }

    fn sample(&self, index: usize) -> Result<(Array3<f32>, i32), DataError> {
        check_index(index, self.len())?;
        let (path, label) = &self.files[index];
        let image = read_image(path, self.channels)?;
        let image = match self.size {
            Some(size) => resize(&image, size),
            None => image,
        };
        Ok((image, *label))
    }

    fn target(&self, index: usize) -> Result<i32, DataError> {
        check_index(index, self.len())?;
        Ok(self.files[index].1)
    }
}
