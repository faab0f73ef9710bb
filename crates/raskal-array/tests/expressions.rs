//! Expressions against plain loops, through the whole way: planned, fused, lowered, run.

use proptest::prelude::*;
use raskal_array::ops::{Binary, Unary};
use raskal_array::plan::explain::explain;
use raskal_array::{Chunks, Expr, Index, NoHost, Plan, Reduction, Scalar, evaluate};
use raskal_runtime::{Call, FunctionRegistry, ProgramBuilder};
use raskal_store::{Block, DType, Value};

fn counted(shape: &[usize], blocks: &[usize]) -> Expr {
    let values = (0..shape.iter().product::<usize>()).map(|value| value as f64).collect();
    Expr::from_block(&Block::from_vec(values, shape), Chunks::regular(shape, blocks)).unwrap()
}

fn floats(expr: &Expr) -> Vec<f64> {
    evaluate(expr).unwrap().as_slice::<f64>().unwrap().to_vec()
}

#[test]
fn a_chain_and_its_reduction_become_one_pass_over_each_block() {
    let x = counted(&[4, 6], &[2, 3]);
    let y = x.binary(Binary::Multiply, 2.0).unwrap().binary(Binary::Add, 1.0).unwrap().unary(Unary::Sqrt).unwrap();
    let total = y.sum(None).unwrap();
    insta::assert_snapshot!(explain(&total, &NoHost).unwrap(), @r"
    expression
      #1 sum over axes (0, 1): float64 () in chunks ()
        #2 sqrt: float64 (4, 6) in chunks ((2, 2), (3, 3))
          #3 add: float64 (4, 6) in chunks ((2, 2), (3, 3))
            #4 multiply: float64 (4, 6) in chunks ((2, 2), (3, 3))
              #5 from_block: float64 (4, 6) in chunks ((2, 2), (3, 3))
              #6 full 2.0: float64 () in chunks ()
            #7 full 1.0: float64 () in chunks ()
    plan: 3 layers, 9 tasks, 40 B of results held at once by a thread alone
      0: from_block (2, 2) = 4 tasks of 48 B: blocks that exist
      1: sum-partial (2, 2) = 4 tasks of 8 B: native sum(sqrt(add(multiply(a, 2.0), 1.0)), axis=[0, 1])
           a = 0, block (i, j)
      2: sum () = 1 tasks of 8 B: native merge of sum, finished
           a = 1, block (*, *)
    ");
    let expected: f64 = (0..24).map(|value| (f64::from(value) * 2.0 + 1.0).sqrt()).sum();
    assert!((floats(&total)[0] - expected).abs() < 1e-12);
}

#[test]
fn slices_and_transpositions_are_read_where_they_lie() {
    let x = counted(&[6, 8], &[3, 4]);
    let slice = [Index::Range { start: Some(5), stop: None, step: -2 }, Index::At(6)];
    let y = x.transpose(None).unwrap().binary(Binary::Add, 1.0).unwrap().transpose(None).unwrap().get(&slice).unwrap();
    let plan = Plan::of(&y, &NoHost).unwrap();
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(floats(&y), [5.0 * 8.0 + 7.0, 3.0 * 8.0 + 7.0, 8.0 + 7.0]);
}

#[test]
fn an_expensive_result_that_two_kernels_read_is_computed_once() {
    let x = counted(&[4, 4], &[2, 2]);
    let y = x.unary(Unary::Exp).unwrap();
    let centred = y.binary(Binary::Subtract, y.mean(Some(&[0])).unwrap()).unwrap();
    let names = |expr: &Expr| -> Vec<String> {
        let name = |prefix: &str| prefix.rsplit_once('-').unwrap().0.to_owned();
        Plan::of(expr, &NoHost).unwrap().steps.iter().map(|step| name(&step.prefix)).collect()
    };
    assert_eq!(names(&centred), ["from_block", "exp", "mean-partial", "mean", "subtract"]);
    let cheap = x.binary(Binary::Add, 1.0).unwrap();
    let centred = cheap.binary(Binary::Subtract, cheap.mean(Some(&[0])).unwrap()).unwrap();
    assert_eq!(names(&centred), ["from_block", "mean-partial", "mean", "subtract"]);
    let column = |j: usize| (0..4).map(|i| (i * 4 + j) as f64 + 1.0).sum::<f64>() / 4.0;
    let expected: Vec<f64> = (0..16).map(|at| at as f64 + 1.0 - column(at % 4)).collect();
    assert_eq!(floats(&centred), expected);
}

#[test]
fn equal_expressions_share_their_layers() {
    let make = || counted(&[4], &[2]).binary(Binary::Add, 1.0).unwrap();
    let mut builder = ProgramBuilder::new();
    let first = Plan::of(&make(), &NoHost).unwrap().add_to(&mut builder).unwrap();
    let second = Plan::of(&make(), &NoHost).unwrap().add_to(&mut builder).unwrap();
    assert_eq!(first, second);
    assert_eq!(builder.graph().layers().len(), 2);
}

#[test]
fn every_native_function_survives_the_wire() {
    let x = counted(&[4, 6], &[2, 3]);
    let taken = x.take(0, vec![3, 0, 0]).unwrap();
    let joined = Expr::concatenate(&[taken.clone(), x.clone()], 0).unwrap();
    let y = joined
        .reshape(&[42])
        .unwrap()
        .binary(Binary::Multiply, 0.5)
        .unwrap()
        .reduce(Reduction::Var { ddof: 1 }, None, false)
        .unwrap();
    let mut builder = ProgramBuilder::new();
    let layer = Plan::of(&y, &NoHost).unwrap().add_to(&mut builder).unwrap();
    let wanted: Vec<u32> = builder.graph().tasks(layer).collect();
    let program = builder.finish(wanted.clone());
    let mut registry = FunctionRegistry::new();
    raskal_array::register(&mut registry);
    let mut done = std::collections::HashMap::<u32, Value>::new();
    let mut decoded = 0;
    for task in raskal_graph::order(&program.graph, &wanted) {
        let (layer, index) = program.graph.locate(task);
        let mut needed = Vec::new();
        program.graph.predecessors(task, &mut needed);
        let inputs = needed.iter().map(|input| done[input].clone()).collect();
        let call = Call { index, shape: &program.graph.layer(layer).shape, inputs, payload: &[] };
        let function = &program.functions[layer.0 as usize];
        let encoded = function.encode().unwrap();
        let value = if encoded.codec == "values" {
            function.run(call)
        } else {
            decoded += 1;
            registry.decode(encoded.codec, &encoded.shared).unwrap().run(call)
        };
        done.insert(task, value.unwrap());
    }
    assert!(decoded >= 5, "only {decoded} tasks went through a decoder");
    let direct = floats(&y)[0];
    assert_eq!(done[&wanted[0]].as_block().unwrap().as_slice::<f64>().unwrap(), [direct]);
}

#[test]
fn a_block_of_another_shape_than_announced_is_refused_with_both() {
    struct Wrong;
    impl raskal_array::Source for Wrong {
        fn name(&self) -> &str {
            "wrong"
        }
        fn prefix(&self) -> &str {
            "wrong-00000000000000000000000000000000"
        }
        fn add(
            &self,
            builder: &mut ProgramBuilder,
            prefix: &str,
            grid: &[u32],
        ) -> Result<raskal_graph::LayerId, raskal_runtime::Failure> {
            builder.add_values(prefix, grid.to_vec(), vec![Value::from(Block::from_vec(vec![1.0; 5], &[5]))])
        }
    }
    let x = Expr::source(std::sync::Arc::new(Wrong), Chunks::single(&[4]), DType::F64.into());
    let error = evaluate(&x.binary(Binary::Add, 1.0).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("a block of shape (5,) arrived where the expression announced other chunks"), "{error}");
}

#[test]
fn shapes_that_do_not_broadcast_are_shown() {
    let error = counted(&[2, 3], &[2, 3]).binary(Binary::Add, counted(&[4], &[4])).err().unwrap();
    insta::assert_snapshot!(error, @r"
    add: operands could not be broadcast together with shapes (2, 3) (4,): lengths 3 and 4 of axis 1 differ and neither is 1
    hint: insert an axis with x[:, None], transpose, or slice one operand
    ");
}

#[test]
fn missing_values_follow_numpy() {
    let values = vec![1.0, f64::NAN, 3.0, f64::NAN, f64::NAN, 5.0];
    let x = Expr::from_block(&Block::from_vec(values, &[3, 2]), Chunks::regular(&[3, 2], &[1, 2])).unwrap();
    let by = |kind: Reduction, axes: Option<&[usize]>| floats(&x.reduce(kind, axes, false).unwrap());
    assert!(by(Reduction::Min, None)[0].is_nan() && by(Reduction::Sum, None)[0].is_nan());
    assert_eq!(by(Reduction::NanMin, None), [1.0]);
    assert_eq!(by(Reduction::NanMax, Some(&[1])), [1.0, 3.0, 5.0]);
    assert_eq!(by(Reduction::NanSum, Some(&[0])), [4.0, 5.0]);
    let place = x.reduce(Reduction::ArgMax, None, false).unwrap();
    assert_eq!(evaluate(&place).unwrap().as_slice::<i64>().unwrap(), [1]);
}

/// A shape, blocks and reduced axes.
fn cases() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, Vec<bool>)> {
    (1usize..4).prop_flat_map(|ndim| {
        (
            prop::collection::vec(1usize..7, ndim),
            prop::collection::vec(1usize..5, ndim),
            prop::collection::vec(any::<bool>(), ndim),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn reductions_agree_with_loops((shape, blocks, reduced) in cases(), keepdims in any::<bool>(), split in 2u32..5) {
        let x = counted(&shape, &blocks);
        let axes: Vec<usize> = (0..shape.len()).filter(|&axis| reduced[axis]).collect();
        let mut groups: std::collections::BTreeMap<Vec<usize>, Vec<f64>> = Default::default();
        for at in 0..shape.iter().product::<usize>() {
            let point = raskal_graph::layer::coordinates(&shape.iter().map(|&n| n as u32).collect::<Vec<_>>(), at as u32);
            let key = (0..shape.len()).map(|axis| if reduced[axis] { 0 } else { point[axis] as usize }).collect();
            groups.entry(key).or_default().push(at as f64);
        }
        let check = |kind: Reduction, by_hand: &dyn Fn(&[f64]) -> f64| {
            let result = x.reduce_by(kind, Some(&axes), keepdims, Some(split)).unwrap();
            let expected: Vec<f64> = groups.values().map(|group| by_hand(group)).collect();
            let found = floats(&result);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{kind:?}: {found} is not {expected}");
            }
        };
        let mean = |group: &[f64]| group.iter().sum::<f64>() / group.len() as f64;
        check(Reduction::Sum, &|group| group.iter().sum());
        check(Reduction::Mean, &mean);
        check(Reduction::Max, &|group| group.iter().copied().fold(f64::MIN, f64::max));
        check(Reduction::Min, &|group| group.iter().copied().fold(f64::MAX, f64::min));
        check(Reduction::Var { ddof: 0 }, &|group| {
            let mean = mean(group);
            group.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / group.len() as f64
        });
    }

    #[test]
    fn slices_of_chains_agree_with_loops(
        (shape, blocks, _) in cases(),
        bounds in prop::collection::vec((prop::option::of(-8i64..8), prop::option::of(-8i64..8), prop_oneof![-3i64..0, 1i64..4]), 3),
        turn in any::<bool>(),
    ) {
        let x = counted(&shape, &blocks);
        let y = x.binary(Binary::Multiply, 3.0).unwrap();
        let y = if turn { y.transpose(None).unwrap() } else { y };
        let indices: Vec<Index> = (0..shape.len())
            .map(|axis| Index::Range { start: bounds[axis].0, stop: bounds[axis].1, step: bounds[axis].2 })
            .collect();
        let sliced = y.get(&indices).unwrap();
        // The same through a copy of the whole array, sliced as one block.
        let whole = evaluate(&y).unwrap();
        let single = Expr::from_block(&whole, Chunks::single(whole.shape())).unwrap().get(&indices).unwrap();
        prop_assert_eq!(sliced.shape(), single.shape());
        prop_assert_eq!(floats(&sliced), floats(&single));
    }

    #[test]
    fn rechunked_and_reshaped_arrays_hold_the_same_elements((shape, blocks, _) in cases(), other in 1usize..6) {
        let x = counted(&shape, &blocks);
        let expected: Vec<f64> = (0..shape.iter().product::<usize>()).map(|value| value as f64).collect();
        let chunks = Chunks::regular(&shape, &vec![other; shape.len()]);
        prop_assert_eq!(&floats(&x.rechunk(chunks).unwrap()), &expected);
        prop_assert_eq!(&floats(&x.reshape(&[expected.len()]).unwrap()), &expected);
    }

    #[test]
    fn operands_broadcast_whatever_their_chunks(rows in 1usize..6, columns in 1usize..6, a in 1usize..4, b in 1usize..4) {
        let x = counted(&[rows, columns], &[a, b]);
        let y = counted(&[columns], &[a]);
        let z = counted(&[rows, 1], &[b, 1]);
        let result = x.binary(Binary::Add, &y).unwrap().binary(Binary::Multiply, &z).unwrap();
        let expected: Vec<f64> =
            (0..rows * columns).map(|at| (at as f64 + (at % columns) as f64) * (at / columns) as f64).collect();
        prop_assert_eq!(floats(&result), expected);
        let chosen = x.binary(Binary::Less, &y).unwrap().select(Scalar::Float(-1.0), &x).unwrap();
        let expected: Vec<f64> =
            (0..rows * columns).map(|at| if at < at % columns { -1.0 } else { at as f64 }).collect();
        prop_assert_eq!(floats(&chosen), expected);
    }
}
