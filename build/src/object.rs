//! An object file on its way: functions that are written as Cranelift's instructions, and those that are bytes already.
//! It knows no graph and no plan.

use std::sync::Arc;

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, FuncRef, InstBuilder, MemFlagsData, Signature, StackSlot, StackSlotData, StackSlotKind,
    Type, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};
use rustc_hash::FxHashMap;

use crate::BuildError;

/// Of an address.
pub(crate) const POINTER: Type = types::I64;
/// Addresses are aligned, and what stands there is there.
const TRUSTED: MemFlagsData = MemFlagsData::trusted();

/// The file.
pub(crate) struct Object {
    module: ObjectModule,
    context: Context,
    frontend: FunctionBuilderContext,
}

/// How a function is called.
#[derive(Clone, Copy)]
pub(crate) enum Called {
    /// From outside, under a name.
    Named,
    /// From within.
    Within,
}

impl Object {
    pub fn new(isa: Arc<dyn TargetIsa>, name: &str) -> Result<Object, BuildError> {
        let builder = ObjectBuilder::new(isa, name, default_libcall_names()).map_err(BuildError::object)?;
        let module = ObjectModule::new(builder);
        Ok(Object { module, context: Context::new(), frontend: FunctionBuilderContext::new() })
    }

    /// A function of System V's convention, of bytes that refer to nothing outside.
    pub fn bytes(
        &mut self,
        parameters: &[Type],
        result: Option<Type>,
        alignment: u64,
        bytes: &[u8],
    ) -> Result<FuncId, BuildError> {
        let signature = signature(CallConv::SystemV, parameters, result);
        let id = self.module.declare_anonymous_function(&signature).map_err(BuildError::object)?;
        self.module.define_function_bytes(id, alignment, bytes, &[]).map_err(BuildError::object)?;
        Ok(id)
    }

    /// A function of some parameters, which `body` gets.
    pub fn function(
        &mut self,
        (called, name): (Called, &str),
        parameters: &[Type],
        result: Option<Type>,
        body: impl FnOnce(&mut Function<'_>, &[Value]),
    ) -> Result<FuncId, BuildError> {
        let (convention, id) = match called {
            Called::Named => {
                let convention = self.module.isa().default_call_conv();
                let signature = signature(convention, parameters, result);
                (convention, self.module.declare_function(name, Linkage::Export, &signature))
            }
            Called::Within => {
                let signature = signature(CallConv::SystemV, parameters, result);
                (CallConv::SystemV, self.module.declare_anonymous_function(&signature))
            }
        };
        let id = id.map_err(BuildError::object)?;
        let config = self.module.isa().frontend_config();
        self.context.clear();
        self.context.func.signature = signature(convention, parameters, result);
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.frontend);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let values = b.block_params(entry).to_vec();
        let mut function = Function { b, module: &mut self.module, known: FxHashMap::default() };
        body(&mut function, &values);
        let mut b = function.b;
        b.seal_all_blocks();
        b.finalize(config);
        self.module.define_function(id, &mut self.context).map_err(BuildError::object)?;
        Ok(id)
    }

    /// Data that is only read, at multiples of 64 bytes; under a name that those see who link the file, where there is one.
    pub fn data(&mut self, name: Option<&str>, bytes: Vec<u8>) -> Result<DataId, BuildError> {
        let id = match name {
            Some(name) => self.module.declare_data(name, Linkage::Hidden, false, false),
            None => self.module.declare_anonymous_data(false, false),
        };
        let id = id.map_err(BuildError::object)?;
        let mut data = DataDescription::new();
        data.set_align(64);
        data.define(bytes.into_boxed_slice());
        self.module.define_data(id, &data).map_err(BuildError::object)?;
        Ok(id)
    }

    /// The file's bytes. `is_elf` says whether it has to say that it needs no stack that holds code.
    pub fn finish(self, is_elf: bool) -> Result<Vec<u8>, BuildError> {
        let mut product = self.module.finish();
        if is_elf {
            product.object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), object::SectionKind::Other);
        }
        product.emit().map_err(BuildError::object)
    }
}

fn signature(convention: CallConv, parameters: &[Type], result: Option<Type>) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params.extend(parameters.iter().map(|&ty| AbiParam::new(ty)));
    signature.returns.extend(result.map(AbiParam::new));
    signature
}

/// A function on its way.
pub(crate) struct Function<'a> {
    b: FunctionBuilder<'a>,
    module: &'a mut ObjectModule,
    known: FxHashMap<FuncId, FuncRef>,
}

impl Function<'_> {
    /// Calls a function of the file; what it gives, if anything.
    pub fn call(&mut self, function: FuncId, arguments: &[Value]) -> Option<Value> {
        let (module, b) = (&mut *self.module, &mut self.b);
        let known = *self.known.entry(function).or_insert_with(|| module.declare_func_in_func(function, b.func));
        let call = self.b.ins().call(known, arguments);
        self.b.inst_results(call).first().copied()
    }

    /// The address of data of the file.
    pub fn address_of(&mut self, data: DataId) -> Value {
        let global = self.module.declare_data_in_func(data, self.b.func);
        self.b.ins().symbol_value(POINTER, global)
    }

    /// Room of its own, of so many bytes at a multiple of 16.
    pub fn room(&mut self, bytes: usize) -> (StackSlot, Value) {
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes.max(8) as u32, 4);
        let slot = self.b.create_sized_stack_slot(slot);
        (slot, self.b.ins().stack_addr(POINTER, slot, 0))
    }

    pub fn store_to_room(&mut self, value: Value, slot: StackSlot, bytes: usize) {
        self.b.ins().stack_store(POINTER, value, slot, bytes as i32);
    }

    pub fn constant(&mut self, ty: Type, value: i64) -> Value {
        // Cranelift takes constants of 32 bits without a sign.
        let value = if ty == types::I32 { i64::from(value as u32) } else { value };
        self.b.ins().iconst(ty, value)
    }

    pub fn f32(&mut self, value: f32) -> Value {
        self.b.ins().f32const(value)
    }

    /// An address moved by a constant.
    pub fn moved(&mut self, address: Value, bytes: i64) -> Value {
        if bytes == 0 {
            return address;
        }
        let by = self.constant(POINTER, bytes);
        self.b.ins().iadd(address, by)
    }

    /// A number of 64 bits times a constant.
    pub fn times(&mut self, number: Value, by: i64) -> Value {
        let by = self.constant(POINTER, by);
        self.b.ins().imul(number, by)
    }

    /// The sum of two numbers of a type.
    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        self.b.ins().iadd(a, b)
    }

    pub fn load(&mut self, ty: Type, address: Value, bytes: i32) -> Value {
        self.b.ins().load(ty, TRUSTED, address, bytes)
    }

    pub fn store(&mut self, value: Value, address: Value, bytes: i32) {
        self.b.ins().store(TRUSTED, value, address, bytes);
    }

    /// The bits that both have.
    pub fn and(&mut self, a: Value, mask: i64) -> Value {
        let ty = self.b.func.dfg.value_type(a);
        let mask = self.constant(ty, mask);
        self.b.ins().band(a, mask)
    }

    pub fn compare(&mut self, condition: IntCC, a: Value, b: Value) -> Value {
        self.b.ins().icmp(condition, a, b)
    }

    pub fn greater(&mut self, a: Value, b: Value) -> Value {
        self.b.ins().fcmp(cranelift_codegen::ir::condcodes::FloatCC::GreaterThan, a, b)
    }

    /// Does something where a condition holds; goes on behind it, unless it ends the function.
    pub fn when(&mut self, condition: Value, then: impl FnOnce(&mut Self) -> Next) {
        let [inside, after] = [(); 2].map(|()| self.b.create_block());
        self.b.ins().brif(condition, inside, &[], after, &[]);
        self.b.switch_to_block(inside);
        if then(self) == Next::GoesOn {
            self.b.ins().jump(after, &[]);
        }
        self.b.switch_to_block(after);
    }

    /// Does something for 0, 1, .. below a number of at least 1.
    pub fn repeat(&mut self, times: usize, each: impl FnOnce(&mut Self, Value)) {
        let [inside, after]: [Block; 2] = [(); 2].map(|()| self.b.create_block());
        let number = self.b.append_block_param(inside, POINTER);
        let first = self.constant(POINTER, 0);
        self.b.ins().jump(inside, &[BlockArg::Value(first)]);
        self.b.switch_to_block(inside);
        each(self, number);
        let (one, times) = (self.constant(POINTER, 1), self.constant(POINTER, times as i64));
        let next = self.b.ins().iadd(number, one);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, next, times);
        self.b.ins().brif(more, inside, &[BlockArg::Value(next)], after, &[]);
        self.b.switch_to_block(after);
    }

    /// Ends the function.
    pub fn give(&mut self, result: Option<Value>) -> Next {
        self.b.ins().return_(result.as_slice());
        Next::Ends
    }
}

/// What comes behind a part of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoesOn,
    Ends,
}
