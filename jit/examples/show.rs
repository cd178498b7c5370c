use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::kernel::*;
use kiln_jit::lower::tile::*;
use kiln_jit::target::Target;
use std::fmt::Write;

fn ix(i: &Index) -> String {
    let mut s = format!("{}", i.offset);
    for (v, t) in &i.terms {
        write!(s, "+i{}*{}l", v.0, t).unwrap();
    }
    s
}
fn block(s: &mut String, b: &[Statement]) {
    for st in b {
        match st {
            Statement::Let(v, op) => {
                let v = v.0;
                match op {
                    Operation::ConstantF32(c) => writeln!(s, "V v{v} = S({c:?}f);").unwrap(),
                    Operation::ConstantI32(c) => writeln!(s, "V v{v} = S({c});").unwrap(),
                    Operation::Lane => writeln!(s, "V v{v} = {{0,1,2,3}};").unwrap(),
                    Operation::Load { buffer, index, stride: 1, active: 4 } => {
                        writeln!(s, "V v{v} = L(b{}+({}));", buffer.0, ix(index)).unwrap()
                    }
                    Operation::Load { buffer, index, stride, active } => {
                        write!(s, "V v{v} = {{").unwrap();
                        for k in 0..*active {
                            write!(s, "b{}[{}+{}],", buffer.0, ix(index), k as i64 * stride).unwrap();
                        }
                        writeln!(s, "}};").unwrap()
                    }
                    Operation::Splat { buffer, index } => {
                        writeln!(s, "V v{v} = S(b{}[{}]);", buffer.0, ix(index)).unwrap()
                    }
                    Operation::Fma(a, b, c) => writeln!(s, "V v{v} = F(v{},v{},v{});", a.0, b.0, c.0).unwrap(),
                    Operation::Float2(Float2::Add, a, b) => writeln!(s, "V v{v} = v{}+v{};", a.0, b.0).unwrap(),
                    Operation::Fold(_, a) => {
                        writeln!(s, "V v{v} = S((v{0}[0]+v{0}[2])+(v{0}[1]+v{0}[3]));", a.0).unwrap()
                    }
                    Operation::CompareI32(_, a, b) => writeln!(s, "V v{v} = (V)(v{}==v{});", a.0, b.0).unwrap(),
                    Operation::Select(m, a, b) => {
                        writeln!(s, "V v{v} = _mm_blendv_ps(v{},v{},v{});", b.0, a.0, m.0).unwrap()
                    }
                    o => panic!("{o:?}"),
                }
            }
            Statement::Store { buffer, index, stride: 1, active: 4, value } => {
                writeln!(s, "_mm_storeu_ps(b{}+({}), v{});", buffer.0, ix(index), value.0).unwrap()
            }
            Statement::Store { buffer, index, stride, active, value } => {
                for k in 0..*active {
                    writeln!(s, "b{}[{}+{}]=v{}[{k}];", buffer.0, ix(index), k as i64 * stride, value.0).unwrap()
                }
            }
            Statement::For(l) => {
                for c in &l.carried {
                    writeln!(s, "V v{} = v{};", c.current.0, c.initial.0).unwrap();
                }
                writeln!(s, "for (long i{0}=0;i{0}<{1};i{0}++) {{", l.variable.0, l.extent).unwrap();
                block(s, &l.body);
                for c in &l.carried {
                    writeln!(s, "v{} = v{};", c.current.0, c.next.0).unwrap();
                }
                writeln!(s, "}}").unwrap();
                for c in &l.carried {
                    writeln!(s, "V v{} = v{};", c.result.0, c.current.0).unwrap();
                }
            }
        }
    }
}
fn count(b: &[Statement]) -> usize {
    b.iter()
        .map(|s| match s {
            Statement::For(l) => 1 + count(&l.body),
            _ => 1,
        })
        .sum()
}

fn main() {
    let only = std::env::args().nth(1);
    let conv = |stride, pad, groups| Convolution {
        sliding: Sliding {
            spatial: 2,
            stride: [stride, stride, 1],
            padding: [(pad, pad), (pad, pad), (0, 0)],
            dilation: [1; 3],
        },
        groups,
    };
    let mut cases: Vec<(String, Op, Shape, Shape, Shape, [bool; 2])> = vec![];
    for n in [64, 128, 256, 512, 768, 1024] {
        cases.push((format!("mm{n}"), Op::Dot, [n, n].into(), [n, n].into(), [n, n].into(), [false; 2]));
    }
    cases.push(("fc".into(), Op::Dot, [64, 784].into(), [784, 512].into(), [64, 512].into(), [false; 2]));
    cases.push(("fc_dx".into(), Op::Dot, [64, 512].into(), [512, 784].into(), [64, 784].into(), [false, true]));
    cases.push(("fc_dw".into(), Op::Dot, [784, 64].into(), [64, 512].into(), [784, 512].into(), [true, false]));
    for (name, n, ci, h, co, k, pad, s) in [
        ("lenet1", 64, 1, 28, 20, 5, 0, 1),
        ("lenet2", 64, 20, 12, 64, 5, 0, 1),
        ("vgg1", 16, 3, 32, 64, 3, 1, 1),
        ("c32", 16, 32, 32, 32, 3, 1, 1),
        ("c64", 16, 64, 32, 64, 3, 1, 1),
        ("c128", 16, 128, 16, 128, 3, 1, 1),
        ("c256", 16, 256, 8, 256, 3, 1, 1),
        ("c512", 16, 512, 4, 512, 3, 1, 1),
        ("down", 16, 64, 32, 128, 3, 1, 2),
    ] {
        let o = (h + 2 * pad - k) / s + 1;
        let (x, w, y) = (Shape::from([n, ci, h, h]), Shape::from([co, ci, k, k]), Shape::from([n, co, o, o]));
        let c = conv(s, pad, 1);
        cases.push((format!("{name}_f"), Op::Conv(c), x, w, y, [false; 2]));
        cases.push((format!("{name}_gi"), Op::ConvGradInput { conv: c, input: [h, h, 1] }, y, w, x, [false; 2]));
        cases.push((format!("{name}_gw"), Op::ConvGradWeight { conv: c, kernel: [k, k, 1] }, x, y, w, [false; 2]));
    }
    let mut c = String::from(
        "#include <immintrin.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\ntypedef __m128 V;\n#define S _mm_set1_ps\n#define L _mm_loadu_ps\n#define F _mm_fmadd_ps\nstatic double now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}\n",
    );
    let mut main = String::from("int main(){\n");
    let mut bodies: std::collections::HashMap<String, usize> = Default::default();
    for (name, op, l, r, o, rev) in cases {
        if let Some(only) = &only {
            if !name.contains(only.as_str()) {
                continue;
            }
        }
        let target = Target::host();
        let w = wanted(&op, l, r, o).unwrap();
        let t = std::time::Instant::now();
        let operand = |s: Shape, w: &Wanted, rev: bool| {
            let mut w = w.clone();
            if rev {
                w.order.reverse();
            }
            Operand { shape: s, layout: w.layout(s), halo: w.halo }
        };
        let (mut a, mut b) = (operand(l, &w[0], rev[0]), operand(r, &w[1], rev[1]));
        let flip = |op: &Op| matches!(op, Op::ConvGradInput { .. });
        if flip(&op) {
            let mut ww = w[1].clone();
            let k = ww.order.len();
            ww.order.swap(k - 1, k - 2);
            b = operand(r, &ww, false);
        }
        let _ = &mut a;
        let rec = recipe(&op, &a, &b, o, &target).unwrap();
        let out = w[2].layout(o);
        eprintln!("== {name} scratch {:?} choose {:?}", rec.scratch, t.elapsed());
        let mut calls = String::new();
        writeln!(
            main,
            "if(argc<0){{}} {{ float*left=get({}),*right=get({}),*out=get({});",
            a.layout.elements, b.layout.elements, out.elements
        )
        .unwrap();
        for (i, s) in rec.scratch.iter().enumerate() {
            writeln!(main, "float*s{i}=get({s});").unwrap();
        }
        for (si, stage) in rec.stages.iter().enumerate() {
            let mut kb = KernelBuilder::new("k", 4);
            let bufs: Vec<BufferId> =
                stage.buffers.iter().map(|(_, acc)| kb.buffer("x", Element::F32, 1 << 30, *acc)).collect();
            let ob = stage.results.then(|| kb.buffer("o", Element::F32, 1 << 30, Access::Write));
            stage.emit(&mut kb, &bufs, &mut |k: &mut KernelBuilder, p: &Place, v: Value| {
                let mut i = Index::at(out.offset as i64);
                for (at, s) in p.coordinates.iter().zip(out.strides) {
                    i = i.plus_index(at, s);
                }
                k.store(ob.unwrap(), i, p.lanes.map_or(1, |a| out.strides[a]), p.active, v);
            });
            let k = kb.finish();
            eprintln!("  stage {si} statements {} grid {:?} {}", count(&k.body), k.grid, {
                let d = format!("{stage:?}");
                d.find("levels").map(|at| d[at..].chars().take(700).collect::<String>()).unwrap_or_default()
            });
            let mut body = String::new();
            for (g, e) in k.grid.iter().enumerate() {
                writeln!(body, "for(long i{g}=0;i{g}<{e};i{g}++){{").unwrap();
            }
            block(&mut body, &k.body);
            for _ in &k.grid {
                body.push('}');
            }
            let args: Vec<String> = (0..k.buffers.len()).map(|i| format!("float*restrict b{i}")).collect();
            let id = bodies.len();
            bodies.insert(format!("{name}{si}"), id);
            writeln!(c, "static __attribute__((noinline)) void {name}_{si}({}){{\n{body}\n}}", args.join(",")).unwrap();
            let mut names: Vec<String> = stage
                .buffers
                .iter()
                .map(|(s, _)| match s {
                    Source::Left => "left".into(),
                    Source::Right => "right".into(),
                    Source::Scratch(i) => format!("s{i}"),
                })
                .collect();
            if stage.results {
                names.push("out".into());
            }
            writeln!(
                calls,
                "double t{si}=now(); {name}_{si}({}); d[{si}]=now()-t{si}<d[{si}]?now()-t{si}:d[{si}];",
                names.join(",")
            )
            .unwrap();
        }
        let flops: u64 = rec.stages.iter().map(|s| s.flops).max().unwrap();
        writeln!(main, "double d[8]={{9,9,9,9,9,9,9,9}},best=9; for(int rep=0;rep<{};rep++){{double z=now(); {calls} z=now()-z; if(z<best)best=z;}} printf(\"%-12s %8.3f ms %6.1f GF/s  \", \"{name}\", best*1e3, {flops}.0/best*1e-9); for(int i=0;i<{};i++)printf(\" %.3f\", d[i]*1e3); printf(\"\\n\"); fflush(stdout); }}", (3_000_000_000u64 / flops.max(1)).clamp(5, 300), rec.stages.len()).unwrap();
    }
    println!(
        "{c}\nstatic float*get(long n){{float*p=aligned_alloc(64,(n*4+63)/64*64+64);for(long i=0;i<n;i++)p[i]=(i%17)*0.1f;return p;}}\n{}",
        main.replace("int main(){", "int main(int argc,char**argv){") + "}"
    );
}
