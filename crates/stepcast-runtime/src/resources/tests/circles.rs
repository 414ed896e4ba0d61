use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};
use tokio::sync::Barrier;
use tokio::time::timeout;

use super::*;

/// A resource that is only a place in a graph of needs.
struct Node<const I: usize>;

const NODES: usize = 5;

/// For each node, the nodes its factory asks for, in order.
type Needs = [Vec<usize>; NODES];

/// A deadlock must fail a test instead of holding it up. The limit is only ever waited for in that case.
async fn ends<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.unwrap()
}

fn add<const I: usize>(resources: Resources, needs: &Arc<Needs>, ran: &Arc<Mutex<[u32; NODES]>>) -> Resources {
    let (needs, ran) = (Arc::clone(needs), Arc::clone(ran));
    resources.factory(move |scope: ResourceScope| {
        let (needs, ran) = (Arc::clone(&needs), Arc::clone(&ran));
        async move {
            for need in &needs[I] {
                yield_now().await;
                match need {
                    0 => drop(scope.get::<Node<0>>().await?),
                    1 => drop(scope.get::<Node<1>>().await?),
                    2 => drop(scope.get::<Node<2>>().await?),
                    3 => drop(scope.get::<Node<3>>().await?),
                    _ => drop(scope.get::<Node<4>>().await?),
                }
            }
            ran.lock().unwrap()[I] += 1;
            Ok::<_, ResourceError>(Node::<I>)
        }
    })
}

fn graph(needs: Needs) -> (Resources, Arc<Mutex<[u32; NODES]>>) {
    let (needs, ran) = (Arc::new(needs), Arc::default());
    let resources = add::<0>(Resources::new(), &needs, &ran);
    let resources = add::<1>(resources, &needs, &ran);
    let resources = add::<2>(resources, &needs, &ran);
    let resources = add::<3>(resources, &needs, &ran);
    (add::<4>(resources, &needs, &ran), ran)
}

/// Whether a node needs itself or leads to one that does.
fn leads_into_a_circle(needs: &Needs, node: usize, way: &mut Vec<usize>) -> bool {
    if way.contains(&node) {
        return true;
    }
    way.push(node);
    let circle = needs[node].iter().any(|next| leads_into_a_circle(needs, *next, way));
    way.pop();
    circle
}

fn names(error: &ResourceError) -> Vec<usize> {
    let ResourceError::Cycle { chain } = error else { panic!("{error:?}") };
    chain.iter().map(|name| name.trim_end_matches('>').rsplit('<').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn a_circle_is_reported_with_its_chain() {
    let (resources, _) = graph([vec![1], vec![2], vec![3], vec![1], vec![4]]);
    let error = ends(one::<Node<0>>(&resources)).await.err().unwrap();
    assert_eq!(names(&error), [3, 1, 2, 3]);
    assert!(error.to_string().contains("Node<3> -> "), "{error}");
    let error = ends(one::<Node<4>>(&resources)).await.err().unwrap();
    assert_eq!(names(&error), [4, 4]);
}

#[tokio::test]
async fn two_resolutions_that_wait_for_each_other_end() {
    struct A;
    struct B;
    let (a_ran, b_ran): (Arc<AtomicU32>, Arc<AtomicU32>) = Default::default();
    let both_began = Arc::new(Barrier::new(2));
    let began = Arc::clone(&both_began);
    let resources = Resources::new()
        .factory(move |scope: ResourceScope| {
            let (first, began) = (a_ran.fetch_add(1, Ordering::SeqCst) == 0, Arc::clone(&began));
            async move {
                if first {
                    began.wait().await;
                }
                scope.get::<B>().await.map(|_| A)
            }
        })
        .factory(move |scope: ResourceScope| {
            let (first, began) = (b_ran.fetch_add(1, Ordering::SeqCst) == 0, Arc::clone(&both_began));
            async move {
                if first {
                    began.wait().await;
                }
                scope.get::<A>().await.map(|_| B)
            }
        });
    let (a, b) = ends(async { join!(one::<A>(&resources), one::<B>(&resources)) }).await;
    assert!(matches!(a.err().unwrap(), ResourceError::Cycle { .. }));
    assert!(matches!(b.err().unwrap(), ResourceError::Cycle { .. }));
}

#[tokio::test]
async fn an_uncached_resource_that_needs_itself_is_a_circle() {
    struct Own;
    let resources =
        Resources::new().factory_uncached(|scope: ResourceScope| async move { scope.get::<Own>().await.map(|_| Own) });
    let error = ends(one::<Own>(&resources)).await.err().unwrap();
    assert!(matches!(error, ResourceError::Cycle { chain } if chain.len() == 2));
}

#[tokio::test]
async fn a_resolution_dropped_half_way_leaves_nothing_behind() {
    struct A;
    struct B;
    let turn: Arc<AtomicU32> = Arc::default();
    let (of_a, of_b) = (Arc::clone(&turn), Arc::clone(&turn));
    // At first A needs B; later B needs A. A wait left behind would make that look like a circle.
    let resources = Resources::new()
        .factory(move |scope: ResourceScope| {
            let turn = of_a.load(Ordering::SeqCst);
            async move { if turn == 0 { scope.get::<B>().await.map(|_| A) } else { Ok(A) } }
        })
        .factory(move |scope: ResourceScope| {
            let turn = of_b.load(Ordering::SeqCst);
            async move {
                if turn == 0 {
                    std::future::pending::<()>().await;
                }
                scope.get::<A>().await.map(|_| B)
            }
        });
    {
        let mut dropped = pin!(one::<A>(&resources));
        assert!(poll_immediate(dropped.as_mut()).await.is_none());
    }
    turn.store(1, Ordering::SeqCst);
    assert!(ends(one::<B>(&resources)).await.is_ok());
    assert!(ends(one::<A>(&resources)).await.is_ok());
}

#[tokio::test]
async fn any_graph_of_needs_resolved_at_once_ends_as_its_circles_say() {
    let mut circles = 0;
    for seed in 0..3_000_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let needs: Needs =
            std::array::from_fn(|_| (0..next(4)).map(|_| usize::try_from(next(NODES as u64)).unwrap()).collect());
        let (resources, ran) = graph(needs.clone());
        let all = async |_: usize| {
            join!(
                one::<Node<0>>(&resources),
                one::<Node<1>>(&resources),
                one::<Node<2>>(&resources),
                one::<Node<3>>(&resources),
                one::<Node<4>>(&resources)
            )
        };
        for (a, b, c, d, e) in ends(join_all((0..2).map(all))).await {
            let errors = [a.err(), b.err(), c.err(), d.err(), e.err()];
            for (node, error) in errors.iter().enumerate() {
                let circle = leads_into_a_circle(&needs, node, &mut Vec::new());
                assert_eq!(error.is_some(), circle, "seed {seed}, node {node}, {needs:?}");
                if let Some(error) = error {
                    circles += 1;
                    let chain = names(error);
                    assert!(chain.windows(2).all(|pair| needs[pair[0]].contains(&pair[1])), "{chain:?} in {needs:?}");
                    assert_eq!(chain.first(), chain.last());
                } else {
                    assert_eq!(ran.lock().unwrap()[node], 1, "seed {seed}, node {node}");
                }
            }
        }
    }
    assert!((5_000..25_000).contains(&circles), "{circles}");
}
