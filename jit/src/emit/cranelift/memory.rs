//! Loads and stores: contiguous, of some lanes, strided, at run-time rows.
//! Whatever is not one vector is composed of 32- and 64-bit scalars: nothing beyond the active lanes is touched. It
//! checks no bounds: the kernel's checker has done so.

use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::{Body, Known};
use crate::emit::addresses::Base;
use crate::kernel::{BufferId, Element, Index, Row, Value, ValueType};

/// The checker has bounded every access; addresses of vectors are multiples of an element's bytes only.
const FLAGS: MemFlagsData = MemFlagsData::new().with_notrap();

impl Body<'_, '_> {
    /// The address of an index: a register and a displacement.
    pub(super) fn address(&mut self, buffer: BufferId, index: &Index) -> (ir::Value, i64) {
        let (place, displacement) = self.addresses.locate(Base::Buffer(buffer), index);
        match index.row {
            None => (self.place(place), displacement),
            Some(row) => {
                let unit = self.addresses.unit(Base::Buffer(buffer));
                (self.known(Known::Row(place, row), |body| body.row(body.place(place), row, unit)), displacement)
            }
        }
    }

    /// A place moved to a run-time row of elements of so many bytes.
    fn row(&mut self, place: ir::Value, row: Row, unit: i64) -> ir::Value {
        let mut number = self.value(row.value);
        if self.kernel.lanes > 1 {
            number = self.b.ins().extractlane(number, 0);
        }
        let zero = self.b.ins().iconst(types::I32, 0);
        let last = self.b.ins().iconst(types::I32, row.extent as i64 - 1);
        let number = self.b.ins().smax(number, zero);
        let number = self.b.ins().smin(number, last);
        let number = match self.pointer {
            types::I32 => number,
            _ => self.b.ins().uextend(self.pointer, number),
        };
        let distance = self.b.ins().imul_imm_s(number, row.stride * unit);
        self.b.ins().iadd(place, distance)
    }

    /// Splits a displacement into what is added to the address and what the instruction holds.
    pub(super) fn near(&mut self, (address, displacement): (ir::Value, i64)) -> (ir::Value, i32) {
        match i32::try_from(displacement) {
            Ok(near) => (address, near),
            Err(_) => (self.b.ins().iadd_imm_s(address, displacement), 0),
        }
    }

    fn load_scalar(&mut self, ty: ir::Type, (address, displacement): (ir::Value, i64)) -> ir::Value {
        let (address, near) = self.near((address, displacement));
        self.b.ins().load(ty, FLAGS, address, near)
    }

    /// One element of an f32 or a bf16, as an f32; of integers by the bits of the i32.
    fn load_one(&mut self, element: Element, place: (ir::Value, i64)) -> ir::Value {
        let (address, near) = match element {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => {
                return self.load_scalar(types::F32, place);
            }
            Element::Bf16 | Element::U8 | Element::I8 => self.near(place),
        };
        let bits = match element {
            Element::U8 => self.b.ins().uload8(types::I32, FLAGS, address, near),
            Element::I8 => self.b.ins().sload8(types::I32, FLAGS, address, near),
            _ => {
                let half = self.b.ins().uload16(types::I32, FLAGS, address, near);
                self.b.ins().ishl_imm_u(half, 16)
            }
        };
        self.bits(types::F32, bits)
    }

    /// Four bf16 one after the other.
    fn load_halves(&mut self, place: (ir::Value, i64)) -> ir::Value {
        let (address, near) = self.near(place);
        let halves = self.b.ins().uload16x4(FLAGS, address, near);
        let bits = self.b.ins().iconst(types::I32, 16);
        let whole = self.b.ins().ishl(halves, bits);
        self.bits(types::F32X4, whole)
    }

    fn store_scalar(&mut self, value: ir::Value, (address, displacement): (ir::Value, i64)) {
        let (address, near) = self.near((address, displacement));
        self.b.ins().store(FLAGS, value, address, near);
    }

    /// The first `active` lanes; the others are 0.
    pub(super) fn load(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize) -> ir::Value {
        let element = self.kernel.buffers[buffer.0 as usize].element;
        let ty = self.element_type(element);
        let (address, first) = self.address(buffer, index);
        let unit = self.addresses.unit(Base::Buffer(buffer));
        let whole = self.kernel.lanes == 1 || stride == 1 && active == self.kernel.lanes;
        match (element, self.kernel.lanes) {
            (Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4, _) if whole => {
                return self.load_scalar(ty, (address, first));
            }
            (Element::Bf16 | Element::U8 | Element::I8, 1) => {
                let one = self.load_one(element, (address, first));
                return self.bits(ty, one);
            }
            (Element::Bf16, _) if whole => return self.load_halves((address, first)),
            _ => {}
        }
        // Floating-point registers hold either type: the lanes are gathered there.
        let (mut vector, gathered) = match (stride, active) {
            (1, 2 | 3) if element.bytes() == 4 => {
                let pair = self.load_scalar(types::F64, (address, first));
                let pair = self.b.ins().scalar_to_vector(types::F64X2, pair);
                (self.bits(types::F32X4, pair), 2)
            }
            _ => {
                let one = self.load_one(element, (address, first));
                (self.b.ins().scalar_to_vector(types::F32X4, one), 1)
            }
        };
        for lane in gathered..active {
            let one = self.load_one(element, (address, first + lane as i64 * stride * unit));
            vector = self.b.ins().insertlane(vector, one, lane as u8);
        }
        self.bits(ty, vector)
    }

    /// The first `active` lanes as pairs of 16-bit elements; the others are 0.
    pub(super) fn load_pairs(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize) -> ir::Value {
        let ty = self.element_type(Element::I32);
        let (address, first) = self.address(buffer, index);
        let step = stride * self.addresses.unit(Base::Buffer(buffer));
        if self.kernel.lanes == 1 || stride == 2 && active == self.kernel.lanes {
            return self.load_scalar(ty, (address, first));
        }
        let one = self.load_scalar(types::F32, (address, first));
        let mut vector = self.b.ins().scalar_to_vector(types::F32X4, one);
        for lane in 1..active {
            let one = self.load_scalar(types::F32, (address, first + lane as i64 * step));
            vector = self.b.ins().insertlane(vector, one, lane as u8);
        }
        self.bits(ty, vector)
    }

    /// The first `active` lanes at places of their own; the others are 0.
    pub(super) fn gather(&mut self, buffer: BufferId, index: &Index, places: Value, active: usize) -> ir::Value {
        let element = self.kernel.buffers[buffer.0 as usize].element;
        let ty = self.element_type(element);
        let places = self.value(places);
        let (address, first) = self.address(buffer, index);
        let unit = self.addresses.unit(Base::Buffer(buffer));
        let mut vector = None;
        for lane in 0..active {
            let place = match self.kernel.lanes {
                1 => places,
                _ => self.b.ins().extractlane(places, lane as u8),
            };
            let place = match self.pointer {
                types::I32 => place,
                _ => self.b.ins().sextend(self.pointer, place),
            };
            let distance = self.b.ins().imul_imm_s(place, unit);
            let at = self.b.ins().iadd(address, distance);
            let one = self.load_one(element, (at, first));
            if self.kernel.lanes == 1 {
                return self.bits(ty, one);
            }
            vector = Some(match vector {
                None => self.b.ins().scalar_to_vector(types::F32X4, one),
                Some(vector) => self.b.ins().insertlane(vector, one, lane as u8),
            });
        }
        let vector = vector.expect("at least one lane is active");
        self.bits(ty, vector)
    }

    /// One element in every lane.
    pub(super) fn splat(&mut self, buffer: BufferId, index: &Index) -> ir::Value {
        let element = self.kernel.buffers[buffer.0 as usize].element;
        let ty = self.element_type(element);
        let address = self.address(buffer, index);
        let one = match element {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => self.load_scalar(ty.lane_type(), address),
            Element::Bf16 | Element::U8 | Element::I8 => {
                let one = self.load_one(element, address);
                self.bits(ty.lane_type(), one)
            }
        };
        if self.kernel.lanes == 1 { one } else { self.b.ins().splat(ty, one) }
    }

    pub(super) fn store(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize, value: Value) {
        let value = self.value(value);
        let (address, first) = self.address(buffer, index);
        match self.kernel.buffers[buffer.0 as usize].element {
            Element::Bf16 => return self.store_halves((address, first), stride, active, value),
            Element::U8 | Element::I8 => return self.store_bytes((address, first), stride, active, value),
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => {}
        }
        let unit = self.addresses.unit(Base::Buffer(buffer));
        if self.kernel.lanes == 1 || stride == 1 && active == self.kernel.lanes {
            return self.store_scalar(value, (address, first));
        }
        let mut stored = 0;
        if stride == 1 && active >= 2 {
            let pairs = self.bits(types::F64X2, value);
            let pair = self.b.ins().extractlane(pairs, 0);
            self.store_scalar(pair, (address, first));
            stored = 2;
        }
        let vector = self.bits(types::F32X4, value);
        for lane in stored..active {
            let one = self.b.ins().extractlane(vector, lane as u8);
            self.store_scalar(one, (address, first + lane as i64 * stride * unit));
        }
    }

    /// A store of f32 to bf16.
    fn store_halves(&mut self, (address, first): (ir::Value, i64), stride: i64, active: usize, value: ir::Value) {
        let rounded = self.round_to_bf16(value);
        if self.kernel.lanes > 1 && stride == 1 && active == self.kernel.lanes {
            // Nothing saturates: the lanes are below 2^16.
            let halves = self.b.ins().unarrow(rounded, rounded);
            let pairs = self.bits(types::F64X2, halves);
            let first_four = self.b.ins().extractlane(pairs, 0);
            return self.store_scalar(first_four, (address, first));
        }
        for lane in 0..active {
            let one = match self.kernel.lanes {
                1 => rounded,
                _ => self.b.ins().extractlane(rounded, lane as u8),
            };
            let (address, near) = self.near((address, first + lane as i64 * stride * Element::Bf16.bytes() as i64));
            self.b.ins().istore16(FLAGS, one, address, near);
        }
    }

    /// A store of the low 8 bits of i32.
    fn store_bytes(&mut self, (address, first): (ir::Value, i64), stride: i64, active: usize, value: ir::Value) {
        for lane in 0..active {
            let one = match self.kernel.lanes {
                1 => value,
                _ => self.b.ins().extractlane(value, lane as u8),
            };
            let (address, near) = self.near((address, first + lane as i64 * stride));
            self.b.ins().istore8(FLAGS, one, address, near);
        }
    }

    fn element_type(&self, element: Element) -> ir::Type {
        match element.value_type() {
            ValueType::F32 => self.f32s(),
            ValueType::I32 | ValueType::Mask => self.i32s(),
        }
    }

    /// The same bits as another type of the same size.
    pub(super) fn bits(&mut self, ty: ir::Type, value: ir::Value) -> ir::Value {
        if self.b.func.dfg.value_type(value) == ty {
            return value;
        }
        self.b.ins().bitcast(ty, MemFlagsData::new().with_endianness(ir::Endianness::Little), value)
    }
}
