//! Kernel IR to Cranelift: vectors of 128 bits (4 lanes) and scalars (1 lane), on every processor that Cranelift
//! knows. Loops become blocks with parameters; bodies keep the order of the kernel, since Cranelift's own optimizer
//! would sink pure operations to their last use and turn independent chains into one with spills: it stays off.
//! `operations.rs` holds the operations, `memory.rs` loads and stores, `tiles.rs` tile registers, which lie in the
//! stack frame. Registers, encodings and calling conventions are Cranelift's.

mod memory;
mod operations;
mod tiles;

use std::sync::{Arc, OnceLock};

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, Block, BlockArg, InstBuilder, MemFlagsData, Signature, StackSlot, types};
use cranelift_codegen::isa::{self, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CompiledCode, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::addresses::{Addresses, Base, Place, PlaceId};
use super::last_uses::LastUses;
use super::{EmitError, Emitter};
use crate::kernel::{Kernel, Loop, Row, Statement, Value, Variable};

/// The emitter on Cranelift. Making one is cheap; each keeps its working memory from kernel to kernel.
pub struct Cranelift {
    machine: Machine,
    context: Context,
    frontend: FunctionBuilderContext,
}

/// A machine, as Cranelift sees it.
#[derive(Clone)]
struct Machine {
    isa: Arc<dyn TargetIsa>,
    /// Whether there is a fused multiply-add instruction.
    fused: bool,
}

impl Machine {
    fn host() -> Result<Machine, String> {
        Machine::new(cranelift_native::builder().map_err(str::to_owned)?)
    }

    fn new(builder: isa::Builder) -> Result<Machine, String> {
        let mut flags = settings::builder();
        for (name, value) in [
            ("opt_level", "none"),
            ("is_pic", "false"),
            ("unwind_info", "false"),
            // A frame for which the stack has no room meets its guard and no other memory.
            ("enable_probestack", "true"),
            ("probestack_strategy", "inline"),
            // `compile` asks for it.
            ("enable_verifier", "false"),
        ] {
            flags.set(name, value).map_err(|error| error.to_string())?;
        }
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())?;
        let on = |name| isa.isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        let fused = isa.name() != "x64" || on("has_fma") && on("has_avx");
        Ok(Machine { isa, fused })
    }
}

impl Cranelift {
    /// An emitter for this machine.
    pub fn new() -> Result<Cranelift, EmitError> {
        static MACHINE: OnceLock<Result<Machine, String>> = OnceLock::new();
        let machine = MACHINE.get_or_init(Machine::host).clone().map_err(|reason| EmitError::Machine { reason })?;
        Ok(Cranelift::of(machine))
    }

    /// An emitter for another machine, whose processor Cranelift was built for.
    ///
    /// # Errors
    /// [`EmitError::Machine`] for one that Cranelift makes no code for.
    pub fn for_machine(builder: isa::Builder) -> Result<Cranelift, EmitError> {
        Ok(Cranelift::of(Machine::new(builder).map_err(|reason| EmitError::Machine { reason })?))
    }

    fn of(machine: Machine) -> Cranelift {
        Cranelift { machine, context: Context::new(), frontend: FunctionBuilderContext::new() }
    }

    /// The description of this machine that Cranelift's code memory asks for.
    pub(crate) fn isa(&self) -> Arc<dyn TargetIsa> {
        self.machine.isa.clone()
    }
}

impl Emitter for Cranelift {
    fn takes(&self, lanes: usize) -> bool {
        matches!(lanes, 1 | 4)
    }

    fn emit(&mut self, kernel: &Kernel) -> Result<Vec<u8>, EmitError> {
        let code = self.compile(kernel)?;
        Ok(code.code_buffer().to_vec())
    }

    fn listing(&mut self, kernel: &Kernel) -> Result<String, EmitError> {
        self.context.want_disasm = true;
        let text = self.compile(kernel).map(|code| code.vcode.clone().unwrap_or_default());
        self.context.want_disasm = false;
        text
    }
}

impl Cranelift {
    fn compile(&mut self, kernel: &Kernel) -> Result<&CompiledCode, EmitError> {
        if !self.takes(kernel.lanes) {
            return Err(EmitError::Lanes { kernel: kernel.name.clone(), lanes: kernel.lanes });
        }
        let disassembled = self.context.want_disasm;
        self.context.clear();
        self.context.want_disasm = disassembled;
        let Machine { isa, fused } = &self.machine;
        let pointer = isa.pointer_type();
        let mut signature = Signature::new(isa.default_call_conv());
        signature.params.extend([AbiParam::new(pointer); 3]);
        self.context.func.signature = signature;
        let mut function = FunctionBuilder::new(&mut self.context.func, &mut self.frontend);
        Body::new(kernel, &mut function, pointer, *fused).emit();
        function.finalize(isa.frontend_config());

        let refused = |reason: String| EmitError::Kernel { kernel: kernel.name.clone(), reason };
        // Once, what is handed over: by the setting, Cranelift would verify it after each of its own passes, too.
        if cfg!(debug_assertions) {
            self.context.verify(&**isa).map_err(|errors| refused(errors.to_string()))?;
        }
        let code = self
            .context
            .compile(&**isa, &mut ControlPlane::default())
            .map_err(|error| refused(format!("{:?}", error.inner)))?;
        match code.buffer.relocs() {
            [] => Ok(code),
            [call, ..] => Err(refused(format!("this processor has no instruction for it, only {:?}", call.target))),
        }
    }
}

/// One function on its way.
struct Body<'a, 'f> {
    kernel: &'a Kernel,
    b: &'a mut FunctionBuilder<'f>,
    pointer: ir::Type,
    fused: bool,
    addresses: Addresses,
    last_uses: LastUses,
    /// The statements passed so far, as `last_uses` counts them.
    position: u32,
    values: Vec<Option<ir::Value>>,
    places: Vec<Option<ir::Value>>,
    /// What is computed once and holds to the end of the open block: constants, places moved by a run-time row.
    known: Vec<(Known, ir::Value)>,
    /// The memory of each tile register.
    tiles: Vec<StackSlot>,
}

#[derive(Clone, Copy, PartialEq)]
enum Known {
    F32(u32),
    I32(i32),
    Row(PlaceId, Row),
}

impl<'a, 'f> Body<'a, 'f> {
    fn new(kernel: &'a Kernel, b: &'a mut FunctionBuilder<'f>, pointer: ir::Type, fused: bool) -> Body<'a, 'f> {
        let addresses = Addresses::new(kernel);
        let places = vec![None; addresses.places().len()];
        let values = vec![None; kernel.values.len()];
        let last_uses = LastUses::new(kernel);
        let tiles = Body::tile_slots(kernel, b);
        let known = Vec::new();
        Body { kernel, b, pointer, fused, addresses, last_uses, position: 0, values, places, known, tiles }
    }

    /// The whole function: a loop over the tasks around the kernel's body.
    fn emit(mut self) {
        let [entry, task, done] = [(); 3].map(|()| self.b.create_block());
        self.b.append_block_params_for_function_params(entry);
        let task_number = self.b.append_block_param(task, self.pointer);
        self.b.switch_to_block(entry);
        let &[arguments, begin, end] = self.b.block_params(entry) else { unreachable!("three parameters") };
        for (id, place) in self.addresses.places().to_vec().into_iter().enumerate() {
            if let Place::Root(base) = place {
                self.places[id] = Some(match base {
                    Base::Buffer(buffer) => {
                        let offset = buffer.0 as i32 * self.pointer.bytes() as i32;
                        self.b.ins().load(self.pointer, MemFlagsData::trusted(), arguments, offset)
                    }
                    Base::Zero => self.b.ins().iconst(self.pointer, 0),
                });
            }
        }
        let some = self.b.ins().icmp(IntCC::UnsignedLessThan, begin, end);
        self.branch(some, task, &[begin], done);

        self.b.switch_to_block(task);
        self.coordinates(task_number);
        self.block(&self.kernel.body);
        let next = self.b.ins().iadd_imm_s(task_number, 1);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, next, end);
        self.branch(more, task, &[next], done);

        self.b.switch_to_block(done);
        self.b.ins().return_(&[]);
        self.b.seal_all_blocks();
    }

    fn branch(&mut self, condition: ir::Value, to: Block, arguments: &[ir::Value], otherwise: Block) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| value.into()).collect();
        self.b.ins().brif(condition, to, &arguments, otherwise, &[]);
    }

    /// Computes the places that move with the grid's variables from a task's number.
    fn coordinates(&mut self, task: ir::Value) {
        let mut rest = task;
        let mut coordinates = vec![task; self.kernel.grid.len()];
        for (dimension, &extent) in self.kernel.grid.iter().enumerate().rev() {
            coordinates[dimension] = rest;
            if dimension == 0 {
                break;
            }
            let whole = match extent.is_power_of_two() {
                true => self.b.ins().ushr_imm_u(rest, extent.trailing_zeros() as i64),
                false => {
                    let extent = self.b.ins().iconst(self.pointer, extent as i64);
                    self.b.ins().udiv(rest, extent)
                }
            };
            let counted = self.b.ins().imul_imm_s(whole, extent as i64);
            coordinates[dimension] = self.b.ins().isub(rest, counted);
            rest = whole;
        }
        for (dimension, coordinate) in coordinates.into_iter().enumerate() {
            for id in self.addresses.moving(Variable(dimension as u32)).to_vec() {
                let (outer, stride) = self.step(id);
                let distance = self.b.ins().imul_imm_s(coordinate, stride);
                self.places[id.0 as usize] = Some(self.b.ins().iadd(outer, distance));
            }
        }
    }

    /// The value that a moving place starts from, and its stride.
    fn step(&self, id: PlaceId) -> (ir::Value, i64) {
        match self.addresses.places()[id.0 as usize] {
            Place::Step { outer, stride, .. } => (self.place(outer), stride),
            Place::Root(_) => unreachable!("roots do not move"),
        }
    }

    fn place(&self, id: PlaceId) -> ir::Value {
        self.places[id.0 as usize].expect("a place is computed where its last variable becomes known")
    }

    fn value(&self, value: Value) -> ir::Value {
        self.values[value.0 as usize].expect("the checker has seen the definition")
    }

    fn set(&mut self, value: Value, to: ir::Value) {
        self.values[value.0 as usize] = Some(to);
    }

    fn block(&mut self, body: &[Statement]) {
        let known = self.known.len();
        for statement in body {
            self.position += 1;
            match statement {
                Statement::Let(value, operation) => {
                    let result = self.operation(operation);
                    self.set(*value, result);
                }
                Statement::Store { buffer, index, stride, active, value } => {
                    self.store(*buffer, index, *stride, *active, *value);
                }
                // Cranelift has no instruction for it.
                Statement::Prefetch { .. } => {}
                Statement::Tile(statement) => self.tile(statement),
                Statement::For(l) if l.extent == 1 => self.once(l),
                Statement::For(l) => self.repeat(l),
            }
        }
        self.known.truncate(known);
    }

    /// A loop of one iteration needs no branch, unless it is guarded: then the iteration is a block of its own.
    fn once(&mut self, l: &Loop) {
        for carried in &l.carried {
            self.set(carried.current, self.value(carried.initial));
        }
        for id in self.addresses.moving(l.variable).to_vec() {
            self.places[id.0 as usize] = Some(self.step(id).0);
        }
        let Some(guard) = l.guard else {
            self.block(&l.body);
            return self.finish(l);
        };
        let [iteration, after] = [(); 2].map(|()| self.b.create_block());
        let initial: Vec<ir::Value> = l.carried.iter().map(|carried| self.value(carried.initial)).collect();
        let mut parameters = Vec::new();
        for &value in &initial {
            let ty = self.b.func.dfg.value_type(value);
            parameters.push(self.b.append_block_param(after, ty));
        }
        let guard = self.value(guard);
        let any = if self.kernel.lanes == 1 { guard } else { self.b.ins().vany_true(guard) };
        let skipped: Vec<BlockArg> = initial.iter().map(|&value| value.into()).collect();
        self.b.ins().brif(any, iteration, &[], after, &skipped);
        self.b.switch_to_block(iteration);
        self.block(&l.body);
        let next: Vec<BlockArg> = l.carried.iter().map(|carried| self.value(carried.next).into()).collect();
        self.b.ins().jump(after, &next);
        self.b.switch_to_block(after);
        self.position += 1;
        for (carried, parameter) in l.carried.iter().zip(parameters) {
            self.set(carried.result, parameter);
        }
    }

    /// One block whose parameters are the places that move, and the carried values; it ends with a jump back to itself.
    fn repeat(&mut self, l: &Loop) {
        let moving = self.addresses.moving(l.variable).to_vec();
        let [iteration, after] = [(); 2].map(|()| self.b.create_block());
        // The first moving place tells when the loop ends; where there is none, a count of the iterations left does.
        let mut initial = Vec::new();
        let limit = match moving.first() {
            Some(&id) => {
                let (start, stride) = self.step(id);
                Some(self.b.ins().iadd_imm_s(start, stride.wrapping_mul(l.extent as i64)))
            }
            None => {
                initial.push(self.b.ins().iconst(self.pointer, l.extent as i64));
                None
            }
        };
        initial.extend(moving.iter().map(|&id| self.step(id).0));
        initial.extend(l.carried.iter().map(|carried| self.value(carried.initial)));
        let arguments: Vec<BlockArg> = initial.iter().map(|&value| value.into()).collect();
        let parameters: Vec<ir::Value> = initial
            .iter()
            .map(|&value| {
                let ty = self.b.func.dfg.value_type(value);
                self.b.append_block_param(iteration, ty)
            })
            .collect();
        self.b.ins().jump(iteration, &arguments);

        self.b.switch_to_block(iteration);
        let (count, rest) = parameters.split_at(limit.is_none() as usize);
        let (positions, currents) = rest.split_at(moving.len());
        for (id, &position) in moving.iter().zip(positions) {
            self.places[id.0 as usize] = Some(position);
        }
        for (carried, &current) in l.carried.iter().zip(currents) {
            self.set(carried.current, current);
        }
        self.block(&l.body);

        let mut next: Vec<ir::Value> = count.iter().map(|&count| self.b.ins().iadd_imm_s(count, -1)).collect();
        for (&id, &position) in moving.iter().zip(positions) {
            let (_, stride) = self.step(id);
            next.push(self.b.ins().iadd_imm_s(position, stride));
        }
        next.extend(l.carried.iter().map(|carried| self.value(carried.next)));
        let more = match limit {
            Some(limit) => self.b.ins().icmp(IntCC::NotEqual, next[0], limit),
            None => next[0],
        };
        self.branch(more, iteration, &next, after);
        self.b.switch_to_block(after);
        self.finish(l);
    }

    /// After a loop: its last iteration's values are the results.
    fn finish(&mut self, l: &Loop) {
        self.position += 1;
        for carried in &l.carried {
            self.set(carried.result, self.value(carried.next));
        }
    }

    /// What is known already, or computed and kept to the end of the open block.
    fn known(&mut self, what: Known, compute: impl FnOnce(&mut Self) -> ir::Value) -> ir::Value {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == what) {
            return *value;
        }
        let value = compute(self);
        self.known.push((what, value));
        value
    }

    /// The type of the kernel's f32 values.
    fn f32s(&self) -> ir::Type {
        if self.kernel.lanes == 1 { types::F32 } else { types::F32X4 }
    }

    /// The type of the kernel's i32 values.
    fn i32s(&self) -> ir::Type {
        if self.kernel.lanes == 1 { types::I32 } else { types::I32X4 }
    }
}
