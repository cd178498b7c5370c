//! UNSAFE: aligned storage, the only memory that emitted code reads and writes. It knows neither shapes nor layouts.
//!
//! **Guard pages.** In debug builds, on Linux, each buffer lies between two pages that nobody may touch, its last line
//! right before the second one: code that reads or writes behind it, or in front of the page with its first line, ends
//! the process at once, by SIGSEGV. (Of more than `GUARDED` buffers that are made together, all lie between two; the
//! memory of a vector, [`Buffer::recycled`], lies between none.) Release builds have none of this, nor its costs.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// The alignment of every buffer in bytes: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

/// The pages of memory that large buffers ask the system for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge ones: fewer addresses to translate, for memory that is streamed through.
    Huge,
    /// Those that the system gives: for memory on which much is computed, so that its pages make no difference. Huge ones may
    /// have to be made first; where a hypervisor has taken free memory back, that was seen to take 2 ms for each MiB instead
    /// of 0.4.
    Any,
}

/// A fixed number of 32-bit elements, zero at first and aligned to [`ALIGNMENT`] bytes. The elements are f32 or i32,
/// as whoever looks at them says: every bit pattern is a value of both.
pub struct Buffer {
    pointer: NonNull<u32>,
    elements: usize,
    /// Keeps the elements' memory: nothing for a buffer without elements.
    allocation: Option<Arc<Allocation>>,
}

// SAFETY: a buffer owns its part of an allocation, which is plain data; shared access is by `&self` and only reads.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer without elements, which takes no memory.
    pub fn empty() -> Buffer {
        Buffer { pointer: NonNull::<Line>::dangling().cast(), elements: 0, allocation: None }
    }

    /// A buffer of zeros.
    ///
    /// # Panics
    /// If the elements take more than `isize::MAX` bytes.
    pub fn zeroed(elements: usize) -> Buffer {
        let mut only = Buffer::zeroed_together(&[elements], Pages::Huge);
        only.swap_remove(0)
    }

    /// Buffers of zeros of some lengths, in one piece of memory, which is large where they are together. It is given back when the
    /// last of them is dropped.
    ///
    /// # Panics
    /// If together they take more than `isize::MAX` bytes.
    pub fn zeroed_together(lengths: &[usize], pages: Pages) -> Vec<Buffer> {
        let mut buffers = Buffer::reserved_together(lengths, pages);
        if GUARDS {
            buffers.iter_mut().for_each(Buffer::populate);
        } else if let Some(allocation) = buffers.iter_mut().find_map(|buffer| buffer.allocation.as_ref()) {
            allocation.populate(0..allocation.layout.size());
        }
        buffers
    }

    /// As [`Buffer::zeroed_together`], but the system may hand out the memory only when it is touched, page by page, or asked for
    /// by [`Buffer::populate`].
    ///
    /// # Panics
    /// If together they take more than `isize::MAX` bytes.
    pub fn reserved_together(lengths: &[usize], pages: Pages) -> Vec<Buffer> {
        if GUARDS && (2..=GUARDED).contains(&lengths.len()) {
            let alone = |length| Buffer::reserved_together(std::slice::from_ref(length), pages).swap_remove(0);
            return lengths.iter().map(alone).collect();
        }
        let allocation = Allocation::zeroed(lengths, pages);
        let mut begin = 0;
        let buffer = |&elements: &usize| {
            let allocation = allocation.clone().filter(|_| elements > 0);
            let pointer = allocation.as_ref().map_or(NonNull::<Line>::dangling().cast(), |allocation| {
                // SAFETY: the allocation holds whole lines for all lengths in this order, behind its padding.
                unsafe { allocation.start.add(allocation.first + begin) }
            });
            begin += (elements * size_of::<u32>()).next_multiple_of(ALIGNMENT);
            Buffer { pointer: pointer.cast(), elements, allocation }
        };
        lengths.iter().map(buffer).collect()
    }

    /// A buffer of zeros in the memory of a vector, whose own elements are lost; nothing where the vector has no room for it.
    /// [`room`] makes vectors that have. The system need not hand out any memory for it.
    pub fn recycled(memory: Vec<f32>, elements: usize) -> Option<Buffer> {
        let layout = Layout::array::<f32>(memory.capacity()).ok()?;
        let mut memory = memory;
        let start = NonNull::new(memory.as_mut_ptr())?.cast::<u8>();
        let room = memory.capacity().checked_sub(padding(start) / size_of::<f32>())?;
        if elements == 0 || room < elements {
            return None;
        }
        let _memory = ManuallyDrop::new(memory);
        let allocation = Arc::new(Allocation { start, layout, first: padding(start), guards: None });
        // SAFETY: the allocation was the vector's, which nobody has any more; the elements fit in behind the padding, as seen above.
        let pointer = unsafe { start.add(allocation.first) }.cast::<u32>();
        // SAFETY: as above; zeros are elements.
        unsafe { pointer.write_bytes(0, elements) };
        Some(Buffer { pointer, elements, allocation: Some(allocation) })
    }

    /// Asks the system for the buffer's memory at once, which is about to be written.
    pub fn populate(&mut self) {
        if let Some(allocation) = &self.allocation {
            let begin = self.pointer.addr().get() - allocation.start.addr().get();
            allocation.populate(begin..begin + self.elements * size_of::<u32>());
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.elements
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.elements == 0
    }

    /// The address of the first element, for emitted code.
    ///
    /// # Safety
    /// Of those who use it, not of the call: it is valid for reads and writes of [`Buffer::len`] elements while the
    /// buffer is neither dropped nor borrowed otherwise.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.pointer.as_ptr().cast()
    }

    /// The address of the first element, to tell buffers apart.
    pub fn as_ptr(&self) -> *const u8 {
        self.pointer.as_ptr().cast()
    }

    /// The elements as f32.
    pub fn f32(&self) -> &[f32] {
        // SAFETY: the memory holds `elements` initialised elements of 4 bytes, aligned for them, borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.elements) }
    }

    /// The elements as f32.
    pub fn f32_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `f32`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.elements) }
    }

    /// The elements as i32.
    pub fn i32(&self) -> &[i32] {
        // SAFETY: as in `f32`.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.elements) }
    }

    /// The elements as bytes, four each.
    pub fn i8(&self) -> &[i8] {
        // SAFETY: as in `f32`; an element is four bytes, which need no alignment.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.elements * size_of::<u32>()) }
    }

    /// The elements as bytes, four each.
    pub fn i8_mut(&mut self) -> &mut [i8] {
        // SAFETY: as in `i8`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.elements * size_of::<u32>()) }
    }

    /// The elements as i32.
    pub fn i32_mut(&mut self) -> &mut [i32] {
        // SAFETY: as in `f32_mut`.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.elements) }
    }
}

/// Whether buffers lie between guard pages.
const GUARDS: bool = cfg!(all(debug_assertions, target_os = "linux"));

/// So many buffers of one piece of memory have guard pages each: the system bounds the number of regions of a process.
const GUARDED: usize = 64;

/// What a dangling pointer of an empty buffer is aligned to.
#[repr(align(64))]
struct Line;

/// The size of a huge page where there are any: of 2 MiB on x86-64 and, with pages of 4 KiB, on aarch64.
const HUGE_PAGE: usize = 2 << 20;

/// Memory of at least so much is worth huge pages: it is streamed through, and translating its addresses page by page
/// costs a twentieth of the time. Unit: bytes. Zen 3, 2026-11-26.
const WORTH_HUGE_PAGES: usize = 4 * HUGE_PAGE;

/// What the sizes of all pages but huge ones divide.
const SMALL_PAGES: usize = 64 << 10;

#[derive(Clone, Copy)]
enum Advice {
    HugePages,
    /// Known to Linux since 5.14.
    Populate,
}

/// Gives the system advice on a range of pages, and is no error where it is not taken (an old kernel, none configured).
///
/// # Safety
/// The range lies within an allocation.
#[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
unsafe fn advise(start: NonNull<u8>, range: Range<usize>, advice: Advice) {
    #[cfg(target_os = "linux")]
    if !range.is_empty() {
        let advice = match advice {
            Advice::HugePages => libc::MADV_HUGEPAGE,
            Advice::Populate => libc::MADV_POPULATE_WRITE,
        };
        // SAFETY: the range lies within the allocation; the advice changes how it is mapped, not what it holds.
        unsafe { libc::madvise(start.as_ptr().add(range.start).cast(), range.len(), advice) };
    }
}

/// Bytes in front of the first line behind an address, less than one.
fn padding(start: NonNull<u8>) -> usize {
    start.addr().get().next_multiple_of(ALIGNMENT) - start.addr().get()
}

/// An empty vector for some elements, with room for a [`Buffer::recycled`] of as many in its memory.
///
/// # Panics
/// If the system does not give so much memory: where it is for a parameter, with the words below, which a user reads.
pub fn room(elements: usize) -> Vec<f32> {
    let mut room = Vec::new();
    if room.try_reserve_exact(elements.saturating_add(ALIGNMENT / size_of::<f32>())).is_err() {
        let bytes = elements.saturating_mul(size_of::<f32>());
        panic!("a parameter of {elements} elements takes {bytes} bytes of memory, which the system does not give");
    }
    room
}

/// Gives pages of the process's allocator that nobody uses back to the system. Between pieces of memory that are in use
/// glibc's keeps those that are free until it needs them again: after planning a large program some 10 MiB, which took it
/// half a millisecond (Emerald Rapids, 2026-12-01). Other allocators are left alone.
pub fn give_back_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and whatever is allocated stays as it is.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The memory of one or several buffers. Its alignment is that of the system's allocator, and the elements begin at the first
/// line in it, since only then does large memory come from the system as zeros, which nobody has to write.
struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
    /// Bytes in front of the first element.
    first: usize,
    /// Where the guard pages begin, and how long one is.
    guards: Option<([usize; 2], usize)>,
}

// SAFETY: the memory is reached through the buffers alone, each of which has a part of its own.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Allocation {
    /// Zeros for buffers of some lengths, each in whole lines; nothing for none.
    fn zeroed(lengths: &[usize], pages: Pages) -> Option<Arc<Allocation>> {
        let page = if GUARDS { page_size() } else { 0 };
        let (elements, layout) = layout(lengths, page);
        if elements == 0 {
            return None;
        }
        // SAFETY: the layout's size is not 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let mut allocation = Allocation { start, layout, first: padding(start), guards: None };
        if GUARDS {
            // From the first whole page on: a page, pages for the elements, a page.
            let begin = start.addr().get().next_multiple_of(page) - start.addr().get();
            let end = begin + page + elements.next_multiple_of(page);
            allocation.first = end - elements;
            allocation.guards = Some(([begin, end], page));
            allocation.guard(false);
        }
        if pages == Pages::Huge && elements >= WORTH_HUGE_PAGES {
            let whole = allocation.whole(0..layout.size(), HUGE_PAGE);
            // SAFETY: the range lies within the allocation.
            unsafe { advise(start, whole, Advice::HugePages) };
        }
        Some(Arc::new(allocation))
    }

    /// Lets the guard pages be touched, or not. (Where the system has no room for more regions they can be, as before.)
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
    fn guard(&self, touched: bool) {
        #[cfg(target_os = "linux")]
        for (at, page) in self.guards.iter().flat_map(|&(places, page)| places.map(|at| (at, page))) {
            let access = if touched { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
            // SAFETY: the page lies within the allocation, and no element in it.
            unsafe { libc::mprotect(self.start.as_ptr().add(at).cast(), page, access) };
        }
    }

    /// Asks the system for the pages of a part at once, since page by page, when each is first touched, takes longer, twice as
    /// long where it is read before it is written.
    fn populate(&self, part: Range<usize>) {
        let pages = self.whole(part, SMALL_PAGES);
        // SAFETY: the range lies within the allocation.
        unsafe { advise(self.start, pages, Advice::Populate) };
    }

    /// The pages of a part, those at its ends included, that lie within the allocation as a whole.
    fn whole(&self, part: Range<usize>, page: usize) -> Range<usize> {
        let start = self.start.addr().get();
        let first = start.next_multiple_of(page).max((start + part.start) / page * page);
        let last = ((start + self.layout.size()) / page * page).min((start + part.end).next_multiple_of(page));
        first - start..last.max(first) - start
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.guard(true);
        // SAFETY: allocated in `zeroed`, or by a vector, with this layout; no buffer has a part of it any more.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// The size of a page.
fn page_size() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: it asks for a number.
    if let Ok(page) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) {
        return page;
    }
    SMALL_PAGES
}

/// The bytes of buffers of some lengths, each in whole lines, and room for them: behind up to a line of padding, or where there are
/// guard pages (pages of no bytes say that there are none) behind up to a page of it, whole pages between two of these.
fn layout(lengths: &[usize], page: usize) -> (usize, Layout) {
    let bytes = |elements: usize| elements.checked_mul(size_of::<u32>())?.checked_next_multiple_of(ALIGNMENT);
    let all = lengths.iter().try_fold(0_usize, |all, &elements| bytes(elements)?.checked_add(all));
    let layout = |all: usize| match page {
        0 => Layout::from_size_align(all.checked_add(ALIGNMENT)?, align_of::<u64>()).ok(),
        _ => {
            let room = all.checked_next_multiple_of(page)?.checked_add(3 * page)?;
            Layout::from_size_align(room, align_of::<u64>()).ok()
        }
    };
    all.and_then(|all| Some((all, layout(all)?))).unwrap_or_else(|| {
        let elements = lengths.iter().fold(0_usize, |all, &elements| all.saturating_add(elements));
        panic!("a buffer of {elements} elements is larger than the address space")
    })
}

impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        let mut copy = Buffer::zeroed(self.elements);
        copy.i32_mut().copy_from_slice(self.i32());
        copy
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} elements)", self.elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_aligned_and_both_types() {
        for elements in [0, 1, 15, 16, 1000, WORTH_HUGE_PAGES] {
            let mut buffer = Buffer::zeroed(elements);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(buffer.f32(), vec![0.0; elements]);
            buffer.f32_mut().fill(1.0);
            assert_eq!(buffer.clone().i32(), vec![0x3f80_0000; elements]);
        }
    }

    #[test]
    fn buffers_of_one_piece_are_apart_and_outlive_each_other() {
        for lengths in [&[][..], &[0], &[0, 0], &[1, 0, 17, 16, 15], &[WORTH_HUGE_PAGES / 8, 3, WORTH_HUGE_PAGES / 8]] {
            let mut buffers = Buffer::zeroed_together(lengths, Pages::Any);
            assert_eq!(buffers.iter().map(Buffer::len).collect::<Vec<_>>(), lengths);
            for (number, buffer) in buffers.iter_mut().enumerate() {
                assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
                assert_eq!(buffer.i32(), vec![0; buffer.len()]);
                buffer.i32_mut().fill(number as i32 + 1);
            }
            while let Some(last) = buffers.pop() {
                assert_eq!(last.i32(), vec![buffers.len() as i32 + 1; last.len()]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "takes 4611686018427387904 bytes of memory, which the system does not give")]
    fn memory_that_is_not_there_is_told() {
        room(1 << 60);
    }

    #[test]
    fn buffers_take_the_memory_of_vectors_that_have_room() {
        for elements in [1, 15, 16, 100_000] {
            let mut memory = room(elements);
            memory.resize(elements, 1.0);
            let address = memory.as_ptr() as usize;
            let mut buffer = Buffer::recycled(memory, elements).expect("there is room");
            assert_eq!(buffer.as_ptr() as usize, address.next_multiple_of(ALIGNMENT));
            assert_eq!(buffer.f32(), vec![0.0; elements]);
            buffer.populate();
            buffer.f32_mut().fill(2.0);
            assert_eq!(buffer.clone().f32(), vec![2.0; elements]);
        }
        for (capacity, elements) in [(0, 0), (0, 1), (100, 0), (100, 101), (100, 1 << 20)] {
            assert!(Buffer::recycled(Vec::with_capacity(capacity), elements).is_none(), "{elements} in {capacity}");
        }
    }

    #[test]
    fn memory_is_asked_for_in_parts_or_as_a_whole() {
        for lengths in [&[0][..], &[1], &[SMALL_PAGES, 3, SMALL_PAGES / 4, 0, 5 * SMALL_PAGES]] {
            let mut buffers = Buffer::reserved_together(lengths, Pages::Any);
            for buffer in &mut buffers {
                buffer.populate();
                assert!(buffer.i32().iter().all(|&element| element == 0));
                buffer.i32_mut().fill(1);
            }
        }
    }

    /// Reads or writes next to the elements, in a process of its own, which dies of it.
    #[cfg(all(debug_assertions, target_os = "linux"))]
    #[test]
    fn who_reads_or_writes_out_of_bounds_dies_at_once() {
        use std::os::unix::process::ExitStatusExt;

        const PLACE: &str = "KILN_TEST_OUT_OF_BOUNDS";
        let cases = [
            (&[16][..], 0, 16),
            (&[SMALL_PAGES], 0, -1),
            (&[1 << 20], 0, 1 << 20),
            (&[48, SMALL_PAGES, 3], 1, -1),
            (&[32, 64], 0, 32),
        ];
        if let Some(case) = std::env::var(PLACE).ok().and_then(|case| case.parse::<usize>().ok()) {
            let (lengths, number, place) = cases[case / 3];
            let mut buffers = Buffer::zeroed_together(lengths, Pages::Any);
            let (pointer, last) = (buffers[number].as_mut_ptr().cast::<f32>(), lengths[number] as isize - 1);
            // SAFETY: the first two are within the buffer; the others are what must end the process.
            unsafe {
                pointer.offset(last).write_volatile(pointer.read_volatile() + 1.0);
                match case % 3 {
                    0 => pointer.offset(place).write_volatile(1.0),
                    1 => drop(std::hint::black_box(pointer.offset(place).read_volatile())),
                    // Within.
                    _ => pointer.offset(place.clamp(0, last)).write_volatile(1.0),
                }
            }
            std::process::exit(0);
        }
        for case in 0..3 * cases.len() {
            let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
            child.args(["--exact", "buffer::tests::who_reads_or_writes_out_of_bounds_dies_at_once"]);
            let status = child.env(PLACE, case.to_string()).output().expect("it starts").status;
            // A sanitizer catches the signal, and ends the process with a report of its own.
            let died = status.signal() == Some(libc::SIGSEGV) || std::env::var_os("ASAN_OPTIONS").is_some();
            let expected = if case % 3 == 2 { status.success() } else { died && !status.success() };
            assert!(expected, "{:?}, {case}: {status}", cases[case / 3]);
        }
    }

    #[test]
    #[should_panic(expected = "larger than the address space")]
    fn too_large_buffers_panic() {
        Buffer::zeroed(usize::MAX / 4);
    }
}
