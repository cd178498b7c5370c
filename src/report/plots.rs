//! Charts and image grids as SVG files, which every browser shows; grids as PNG files, too. It knows numbers and
//! pixels, nothing of models.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::{ArrayRef, Dimension};

use super::text::escape;
use crate::files::save_report;

const COLOURS: [&str; 6] = ["#2563eb", "#dc2626", "#16a34a", "#9333ea", "#ea580c", "#0891b2"];
const TEXT: &str = "font-family=\"Helvetica, Arial, sans-serif\" fill=\"#1f2937\"";

/// A chart of lines over a common x axis.
///
/// ```
/// use kiln::report::plots::Chart;
///
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
/// Chart::new("Loss", "step", "cross entropy")
///     .line("training", (0..100).map(|step| (step as f64, (-0.05 * step as f64).exp())))
///     .save(folder.join("loss.svg"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    x_label: String,
    y_label: String,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Chart {
    /// An empty chart with a title and the names of its axes.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Chart {
        Chart { title: title.into(), x_label: x_label.into(), y_label: y_label.into(), lines: Vec::new() }
    }

    /// Adds a line through points `(x, y)`. Points that are not finite are left out.
    pub fn line(mut self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        self.lines.push((name.into(), points));
        self
    }

    /// Writes the chart; the folder is made if it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        save_report(path.as_ref(), self.svg().as_bytes())
    }

    fn svg(&self) -> String {
        const SIZE: (f64, f64) = (760.0, 440.0);
        const LEFT: f64 = 72.0;
        const RIGHT: f64 = 24.0;
        const TOP: f64 = 48.0;
        const BOTTOM: f64 = 56.0;
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let x_axis = Axis::over(points().map(|p| p.0), 8);
        let y_axis = Axis::over(points().map(|p| p.1), 6);
        let place_x = |x: f64| LEFT + x_axis.fraction(x) * (SIZE.0 - LEFT - RIGHT);
        let place_y = |y: f64| SIZE.1 - BOTTOM - y_axis.fraction(y) * (SIZE.1 - TOP - BOTTOM);

        let mut svg = Svg::new(SIZE.0, SIZE.1);
        svg.text(SIZE.0 / 2.0, 28.0, 16, "middle", &self.title);
        for x in x_axis.ticks() {
            svg.line(place_x(x), TOP, place_x(x), SIZE.1 - BOTTOM);
            svg.text(place_x(x), SIZE.1 - BOTTOM + 18.0, 12, "middle", &x_axis.name(x));
        }
        for y in y_axis.ticks() {
            svg.line(LEFT, place_y(y), SIZE.0 - RIGHT, place_y(y));
            svg.text(LEFT - 8.0, place_y(y) + 4.0, 12, "end", &y_axis.name(y));
        }
        svg.text(SIZE.0 / 2.0, SIZE.1 - 14.0, 13, "middle", &self.x_label);
        svg.upright_text(20.0, SIZE.1 / 2.0, 13, &self.y_label);
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            svg.polyline(points.iter().map(|&(x, y)| (place_x(x), place_y(y))), colour);
            let y = TOP + 18.0 + 20.0 * number as f64;
            svg.polyline([(SIZE.0 - RIGHT - 34.0, y - 4.0), (SIZE.0 - RIGHT - 12.0, y - 4.0)].into_iter(), colour);
            svg.text(SIZE.0 - RIGHT - 42.0, y, 12, "end", name);
        }
        svg.finish()
    }
}

/// A range of numbers and the distance between its ticks: 1, 2 or 5 times a power of ten.
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    step: f64,
}

impl Axis {
    pub fn over(values: impl Iterator<Item = f64>, ticks: usize) -> Axis {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low < high {
            (low, high)
        } else if low == high {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        };
        let raw = (high - low) / ticks as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw).unwrap_or(10.0);
        Axis { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    pub fn fraction(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// From one tick to the next.
    pub fn step(&self) -> f64 {
        self.step
    }

    pub fn ticks(&self) -> impl Iterator<Item = f64> {
        (0..=((self.high - self.low) / self.step).round() as usize).map(|tick| self.low + self.step * tick as f64)
    }

    pub fn name(&self, value: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 12.0) as usize;
        // Adding 0 turns -0 into 0.
        format!("{:.decimals$}", (value / self.step).round() * self.step + 0.0)
    }
}

/// Images side by side, each with a caption.
///
/// ```
/// use kiln::report::plots::ImageGrid;
/// use ndarray::Array2;
///
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
/// let ramp = Array2::from_shape_fn((8, 8), |(i, j)| (i + j) as f32 / 14.0);
/// ImageGrid::new("Ramps").columns(2).tile(&ramp, "up").tile(&ramp.t(), "the same").save_png(folder.join("ramps.png"), 4)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageGrid {
    title: String,
    columns: Option<usize>,
    tiles: Vec<Tile>,
}

/// An image of 8-bit samples, interleaved, and its caption.
#[derive(Clone, Debug)]
struct Tile {
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    caption: String,
}

impl ImageGrid {
    /// An empty grid with a title.
    pub fn new(title: impl Into<String>) -> ImageGrid {
        ImageGrid { title: title.into(), columns: None, tiles: Vec::new() }
    }

    /// The number of images in a row, at least 1. Default: as many as there are rows, but 4 to 10.
    pub fn columns(mut self, columns: usize) -> ImageGrid {
        self.columns = Some(columns.max(1));
        self
    }

    /// Adds an image with values from 0 (black) to 1 (white; what lies outside is clamped): `[h, w]`, `[1, h, w]`, or
    /// `[3, h, w]` for red, green and blue.
    ///
    /// # Panics
    /// If the image has another shape.
    #[track_caller]
    pub fn tile<D: Dimension>(mut self, image: &ArrayRef<f32, D>, caption: impl Into<String>) -> ImageGrid {
        let (channels, height, width) = match *image.shape() {
            [h, w] => (1, h, w),
            [c @ (1 | 3), h, w] => (c, h, w),
            ref shape => panic!("an image is [h, w], [1, h, w] or [3, h, w], not {shape:?}"),
        };
        let bytes: Vec<u8> = image.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let plane = height * width;
        let pixels: Vec<u8> =
            (0..plane).flat_map(|i| (0..channels).map(move |c| c * plane + i)).map(|i| bytes[i]).collect();
        self.tiles.push(Tile { channels, height, width, pixels, caption: caption.into() });
        self
    }

    /// Writes the grid as an SVG file; the folder is made if it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        save_report(path.as_ref(), self.svg().as_bytes())
    }

    /// Writes the images, without words, as a PNG file; the folder is made if it is not there. A pixel becomes a square of
    /// `scale` (at least 1) pixels.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save_png(&self, path: impl AsRef<Path>, scale: usize) -> io::Result<()> {
        save_report(path.as_ref(), &self.png(scale.max(1)))
    }

    fn png(&self, scale: usize) -> Vec<u8> {
        const GAP: usize = 4;
        const BACKGROUND: u8 = 96;
        let columns = self.row_length().min(self.tiles.len()).max(1);
        let rows = self.tiles.len().div_ceil(columns).max(1);
        let cell = |extent: fn(&Tile) -> usize| self.tiles.iter().map(extent).max().unwrap_or(1).max(1) * scale + GAP;
        let (cell_height, cell_width) = (cell(|tile| tile.height), cell(|tile| tile.width));
        let (height, width) = (rows * cell_height + GAP, columns * cell_width + GAP);
        let mut pixels = vec![BACKGROUND; height * width * 3];
        for (number, tile) in self.tiles.iter().enumerate() {
            let (top, left) = (GAP + number / columns * cell_height, GAP + number % columns * cell_width);
            for (y, x) in (0..tile.height * scale).flat_map(|y| (0..tile.width * scale).map(move |x| (y, x))) {
                let from = (y / scale * tile.width + x / scale) * tile.channels;
                let to = ((top + y) * width + left + x) * 3;
                for colour in 0..3 {
                    pixels[to + colour] = tile.pixels[from + colour.min(tile.channels - 1)];
                }
            }
        }
        png(3, height, width, &pixels)
    }

    fn row_length(&self) -> usize {
        self.columns.unwrap_or_else(|| (self.tiles.len() as f64).sqrt().ceil().clamp(4.0, 10.0) as usize)
    }

    fn svg(&self) -> String {
        const TILE: f64 = 84.0;
        const GAP: f64 = 16.0;
        const CAPTION: f64 = 22.0;
        const TOP: f64 = 52.0;
        let columns = self.row_length();
        let rows = self.tiles.len().div_ceil(columns);
        let width = GAP + columns as f64 * (TILE + GAP);
        let mut svg = Svg::new(width, TOP + rows as f64 * (TILE + CAPTION + GAP));
        svg.text(width / 2.0, 30.0, 15, "middle", &self.title);
        for (number, tile) in self.tiles.iter().enumerate() {
            let x = GAP + (number % columns) as f64 * (TILE + GAP);
            let y = TOP + (number / columns) as f64 * (TILE + CAPTION + GAP);
            svg.image(x, y, TILE, &base64(&png(tile.channels, tile.height, tile.width, &tile.pixels)));
            svg.text(x + TILE / 2.0, y + TILE + 16.0, 12, "middle", &tile.caption);
        }
        svg.finish()
    }
}

/// An SVG document under construction.
struct Svg(String);

impl Svg {
    fn new(width: f64, height: f64) -> Svg {
        Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        ))
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn text(&mut self, x: f64, y: f64, size: u32, anchor: &str, text: &str) {
        let text = escape(text);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" {TEXT}>{text}</text>"
        ));
    }

    fn upright_text(&mut self, x: f64, y: f64, size: u32, text: &str) {
        let text = escape(text);
        self.push(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" text-anchor=\"middle\" {TEXT}>{text}</text>"
        ));
    }

    fn line(&mut self, x0: f64, y0: f64, x1: f64, y1: f64) {
        self.push(format_args!(
            "<line x1=\"{x0:.1}\" y1=\"{y0:.1}\" x2=\"{x1:.1}\" y2=\"{y1:.1}\" stroke=\"#e5e7eb\"/>"
        ));
    }

    fn polyline(&mut self, points: impl Iterator<Item = (f64, f64)>, colour: &str) {
        let points: String = points.map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        let points = points.trim_end();
        self.push(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>"
        ));
    }

    fn image(&mut self, x: f64, y: f64, size: f64, png: &str) {
        self.push(format_args!(
            "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{size}\" height=\"{size}\" style=\"image-rendering: pixelated\" \
             xlink:href=\"data:image/png;base64,{png}\"/>"
        ));
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// A PNG file of 8-bit samples, grey (1 channel) or red, green and blue (3), interleaved.
pub(crate) fn png(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    };
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    // 8 bits; colour type 0 is grey, 2 is RGB; the standard compression and filtering, no interlacing.
    header.extend([8, if channels == 1 { 0 } else { 2 }, 0, 0, 0]);
    chunk(b"IHDR", &header);
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in pixels.chunks(channels * width) {
        // Each row begins with its filter, 0 for none. Writing to memory does not fail.
        let _ = rows.write_all(&[0]).and_then(|()| rows.write_all(row));
    }
    chunk(b"IDAT", &rows.finish().unwrap_or_default());
    chunk(b"IEND", &[]);
    file
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().enumerate().fold(0u32, |word, (i, &byte)| word | u32::from(byte) << (16 - 8 * i));
        for digit in 0..4 {
            let filled = digit <= group.len();
            text.push(if filled { DIGITS[(word >> (18 - 6 * digit) & 63) as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_known_answers() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in cases {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn axes_have_round_ticks() {
        let check = |values: &[f64], ticks: usize, expected: &str| {
            let axis = Axis::over(values.iter().copied(), ticks);
            let names: Vec<String> = axis.ticks().map(|tick| axis.name(tick)).collect();
            assert_eq!(names.join(" "), expected, "{values:?}");
        };
        check(&[0.0, 2.31], 6, "0.0 0.5 1.0 1.5 2.0 2.5");
        check(&[3.0, 871.0], 8, "0 200 400 600 800 1000");
        check(&[-0.011, 0.02], 5, "-0.02 -0.01 0.00 0.01 0.02");
        check(&[7.0], 4, "6.5 7.0 7.5");
        check(&[], 4, "0.0 0.5 1.0");
    }

    /// The width, the height and the rows of a PNG file, each row behind its filter.
    fn opened(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let chunk = |kind: &[u8]| file.windows(4).position(|window| window == kind).unwrap();
        let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
        let mut rows = Vec::new();
        let data = &file[chunk(b"IDAT") + 4..chunk(b"IEND") - 8];
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(data), &mut rows).unwrap();
        (number(chunk(b"IHDR") + 4), number(chunk(b"IHDR") + 8), rows)
    }

    #[test]
    fn a_grid_of_images_becomes_one_picture() {
        let grey = ndarray::array![[0.0, 1.0]];
        let red = ndarray::array![[[1.0]], [[0.0]], [[0.0]]];
        let grid = ImageGrid::new("two").columns(1).tile(&grey, "").tile(&red, "");
        let (width, height, rows) = opened(&grid.png(3));
        // Two images of three by six pixels, with four between and around them.
        assert_eq!((width, height), (14, 18));
        let row = |y: usize| -> Vec<[u8; 3]> {
            let row = &rows[y * (1 + 14 * 3) + 1..][..14 * 3];
            row.chunks(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        };
        let (gap, black, white, red) = ([96; 3], [0; 3], [255; 3], [255, 0, 0]);
        let of = |parts: &[([u8; 3], usize)]| parts.iter().flat_map(|&(p, n)| vec![p; n]).collect::<Vec<_>>();
        assert_eq!(row(3), of(&[(gap, 14)]));
        assert_eq!(row(4), of(&[(gap, 4), (black, 3), (white, 3), (gap, 4)]));
        assert_eq!(row(6), row(4));
        assert_eq!(row(11), of(&[(gap, 4), (red, 3), (gap, 7)]));
        assert_eq!(row(14), of(&[(gap, 14)]));
    }

    #[test]
    fn a_png_holds_its_pixels() {
        let file = png(1, 2, 3, &[0, 50, 100, 150, 200, 250]);
        let chunk = |kind: &[u8]| file.windows(4).position(|window| window == kind).unwrap();
        assert_eq!(file[chunk(b"IHDR") + 4..][..13], [0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
        // The checksum of an empty end chunk is the same in every PNG file.
        assert_eq!(file[chunk(b"IEND")..], [b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
        let (_, _, rows) = opened(&file);
        assert_eq!(rows, [0, 0, 50, 100, 0, 150, 200, 250]);
    }
}
