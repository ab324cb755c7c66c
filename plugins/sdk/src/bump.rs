//! The allocator of guests that live for one request: it hands out memory and takes none back, because the whole memory goes
//! with the sandbox. Only the newest block is grown in place or given back, which is what buffers need.

// An allocator cannot be written without it; this is the only such file of the SDK beside the generated bindings.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr;

const PAGE: usize = 65_536;
/// Memory is asked for in steps of this many pages at least: 1 MiB.
const STEP: usize = 16;

/// `#[global_allocator] static ALLOCATOR: Bump = Bump::new();`, in a wasm32 guest only.
#[derive(Debug)]
pub struct Bump {
    /// First free address; 0 before the first use.
    next: Cell<usize>,
    /// End of the memory there is.
    end: Cell<usize>,
}

// SAFETY: a core module of this target has one thread; there is no second one to share the cells with.
unsafe impl Sync for Bump {}

impl Bump {
    #[must_use]
    pub const fn new() -> Self {
        Self { next: Cell::new(0), end: Cell::new(0) }
    }

    /// The block's address, or 0 when memory is used up.
    fn take(&self, size: usize, align: usize) -> usize {
        if self.next.get() == 0 {
            let (start, end) = extent();
            self.next.set(start);
            self.end.set(end);
        }
        let Some(start) = self.next.get().checked_add(align - 1).map(|address| address & !(align - 1)) else {
            return 0;
        };
        let Some(next) = start.checked_add(size) else { return 0 };
        if next > self.end.get() && !self.extend(next - self.end.get()) {
            return 0;
        }
        self.next.set(next);
        start
    }

    fn extend(&self, missing: usize) -> bool {
        let pages = missing.div_ceil(PAGE).max(STEP);
        let wanted = if grow(pages) {
            pages
        } else if grow(missing.div_ceil(PAGE)) {
            missing.div_ceil(PAGE)
        } else {
            return false;
        };
        self.end.set(self.end.get() + wanted * PAGE);
        true
    }
}

impl Default for Bump {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_arch = "wasm32")]
fn extent() -> (usize, usize) {
    unsafe extern "C" {
        // Set by the linker: the end of the module's own data.
        static __heap_base: u8;
    }
    (&raw const __heap_base as usize, core::arch::wasm32::memory_size(0) * PAGE)
}

#[cfg(target_arch = "wasm32")]
fn grow(pages: usize) -> bool {
    core::arch::wasm32::memory_grow(0, pages) != usize::MAX
}

// Natively the allocator is never installed; without memory every request for some fails.
#[cfg(not(target_arch = "wasm32"))]
fn extent() -> (usize, usize) {
    (PAGE, PAGE)
}

#[cfg(not(target_arch = "wasm32"))]
fn grow(_: usize) -> bool {
    false
}

// SAFETY: blocks come from memory that belongs to nobody else (above `__heap_base`, grown by this allocator alone), are
// aligned, and never overlap: `next` only rises, but for giving back the block that ends exactly at `next`, which its owner
// has just let go.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.take(layout.size(), layout.align()))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = block.addr();
        if start + layout.size() == self.next.get() {
            self.next.set(start);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block.addr();
        if start + layout.size() == self.next.get() {
            self.next.set(start);
            if self.take(size, layout.align()) == start {
                return block;
            }
            self.next.set(start + layout.size());
            return ptr::null_mut();
        }
        if size <= layout.size() {
            return block;
        }
        let fresh: *mut u8 = ptr::with_exposed_provenance_mut(self.take(size, layout.align()));
        if !fresh.is_null() {
            // SAFETY: both blocks are ours, distinct, and at least `layout.size()` bytes long.
            unsafe { ptr::copy_nonoverlapping(block, fresh, layout.size()) };
        }
        fresh
    }
}
