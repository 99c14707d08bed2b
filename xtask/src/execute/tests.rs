use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::schedule::QUICK;
use super::*;

/// `a`, `b:a`, `c:a,b`, with `=SECONDS` at the end where known.
fn jobs(text: &[&str]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for job in text {
        let (job, seconds) =
            job.split_once('=').map_or((*job, None), |(job, time)| (job, time.parse().ok()));
        let (name, needs) = job.split_once(':').unwrap_or((job, ""));
        let index = |need| jobs.iter().position(|job| job.name == need).unwrap();
        let needs = needs.split(',').filter(|need| !need.is_empty()).map(index).collect();
        jobs.push(Job { name: name.to_owned(), needs, last_seconds: seconds, shares: true });
    }
    jobs
}

fn one(keep_going: bool) -> Limits {
    Limits::new(1, keep_going)
}

/// What was observed, as `+a`, `-a`, `!a`, `a<b`, `.a`.
fn observed(jobs: &[Job], limits: Limits, fails: &[&str], stop_after: Option<usize>) -> String {
    let seen = Mutex::new(Vec::new());
    let ended = AtomicUsize::new(0);
    run::<(), ()>(
        jobs,
        limits,
        &|| stop_after.is_some_and(|count| ended.load(Ordering::SeqCst) >= count),
        &|index| {
            ended.fetch_add(1, Ordering::SeqCst);
            if fails.contains(&jobs[index].name.as_str()) { Err(()) } else { Ok(()) }
        },
        &|index, moment| {
            let name = &jobs[index].name;
            seen.lock().unwrap().push(match moment {
                Moment::Started => format!("+{name}"),
                Moment::Ended(Outcome::Done(())) => format!("-{name}"),
                Moment::Ended(Outcome::Failed(())) => format!("!{name}"),
                Moment::Ended(Outcome::Blocked { by }) => format!("{name}<{}", jobs[*by].name),
                Moment::Ended(Outcome::NotStarted) => format!(".{name}"),
            });
        },
    );
    seen.into_inner().unwrap().join(" ")
}

#[test]
fn order_failures_and_stops() {
    let diamond = &["base", "left:base", "right:base", "top:left,right"][..];
    let two = &["a", "b:a", "c:b", "x", "y:x"][..];
    for (text, keep_going, fails, stop_after, expected) in [
        (&[][..], false, &[][..], None, ""),
        (diamond, false, &[], None, "+base -base +left -left +right -right +top -top"),
        (diamond, false, &["left"], None, "+base -base +left !left top<left .right"),
        (diamond, true, &["left"], None, "+base -base +left !left top<left +right -right"),
        (diamond, true, &["base"], None, "+base !base left<base right<base top<base"),
        (diamond, true, &["left", "right"], None, "+base -base +left !left top<left +right !right"),
        // The longer chain first, then the order given.
        (two, false, &[], None, "+a -a +b -b +x -x +c -c +y -y"),
        (two, true, &["a"], None, "+a !a b<a c<a +x -x +y -y"),
        (two, false, &[], Some(2), "+a -a +b -b .c .x .y"),
        (two, true, &[], Some(0), ".a .b .c .x .y"),
        // Weights decide; one that is not known is an average one.
        (&["a", "b=10", "c=90"], false, &[], None, "+c -c +a -a +b -b"),
        (&["a=1", "b:a=100", "c=50"], false, &[], None, "+a -a +b -b +c -c"),
        // A need that is named twice is one.
        (&["a", "b:a,a"], false, &[], None, "+a -a +b -b"),
    ] {
        assert_eq!(
            observed(&jobs(text), one(keep_going), fails, stop_after),
            expected,
            "{text:?} {fails:?}"
        );
    }
}

#[test]
fn siblings_run_at_once_up_to_the_limit() {
    let jobs = jobs(&["a", "b", "c", "d", "e", "f"]);
    for parallel in [1, 3, 50] {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let outcomes = run::<usize, ()>(
            &jobs,
            Limits::new(parallel, false),
            &|| false,
            &|index| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(40));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(index)
            },
            &|_, _| {},
        );
        assert_eq!(most.into_inner(), parallel.min(6));
        assert_eq!(outcomes, (0..6).map(Outcome::Done).collect::<Vec<_>>());
    }
}

#[test]
fn a_child_never_starts_before_its_parents_succeeded() {
    let names: Vec<String> = (0..60)
        .map(|n: usize| match n {
            0..6 => format!("j{n}"),
            _ => format!("j{n}:j{},j{}", n / 2, n - 5),
        })
        .collect();
    let jobs = jobs(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let done: Vec<AtomicBool> = jobs.iter().map(|_| AtomicBool::new(false)).collect();
    let outcomes = run::<(), ()>(
        &jobs,
        Limits::new(8, true),
        &|| false,
        &|index| {
            assert!(jobs[index].needs.iter().all(|need| done[*need].load(Ordering::SeqCst)));
            if index == 9 {
                return Err(());
            }
            done[index].store(true, Ordering::SeqCst);
            Ok(())
        },
        &|_, _| {},
    );
    assert_eq!(outcomes[9], Outcome::Failed(()));
    let blocked =
        outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Blocked { by: 9 })).count();
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(()))).count();
    assert!(blocked > 5, "{outcomes:?}");
    assert_eq!(done + blocked + 1, jobs.len());
}

#[test]
fn what_runs_may_end_after_a_failure() {
    let jobs = jobs(&["fails", "slow", "later"]);
    let (slow_runs, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let until = |flag: &AtomicBool| {
        while !flag.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let outcomes = run::<(), ()>(
        &jobs,
        Limits::new(2, false),
        &|| false,
        &|index| {
            if index == 0 {
                until(&slow_runs);
                return Err(());
            }
            slow_runs.store(true, Ordering::SeqCst);
            until(&failed);
            Ok(())
        },
        &|_, moment| {
            failed.store(matches!(moment, Moment::Ended(Outcome::Failed(()))), Ordering::SeqCst);
        },
    );
    assert_eq!(outcomes, [Outcome::Failed(()), Outcome::Done(()), Outcome::NotStarted]);
}

/// What is started together, in the order of starts, where every job that is named in `slow` takes too long.
fn together(jobs: &[Job], limits: Limits, slow: &[&str], fails: &[&str]) -> String {
    let mut schedule = Schedule::new(jobs, limits);
    let (mut started, mut running) = (Vec::new(), std::collections::VecDeque::new());
    loop {
        let group = schedule.start();
        if !group.is_empty() {
            let names: Vec<&str> = group.iter().map(|job| jobs[*job].name.as_str()).collect();
            started.push(names.join("+"));
            running.push_back(group);
            continue;
        }
        // Nothing more may start: the first that runs ends.
        let Some(group) = running.pop_front() else { break };
        let is = |names: &[&str], job: &usize| names.contains(&jobs[*job].name.as_str());
        let long = group.iter().any(|job| is(slow, job));
        for job in &group {
            if is(fails, job) {
                schedule.failed(*job);
            } else {
                schedule.done(*job, if long { QUICK * 9 } else { QUICK });
            }
        }
        schedule.ended(&group);
    }
    assert!(schedule.is_over());
    started.join(" ")
}

#[test]
fn quick_jobs_are_done_together() {
    let fan: Vec<String> =
        ["r".to_owned()].into_iter().chain((0..13).map(|n| format!("{n}:r"))).collect();
    let fan: Vec<&str> = fan.iter().map(String::as_str).collect();
    let known = &["a=1", "b=2", "c=3", "d=29", "e=31"][..];
    let limits = |parallel, together| Limits { together, ..Limits::new(parallel, true) };
    for (text, limits, slow, fails, expected) in [
        // Nothing is known of the first, and it was quick; at first no more than ten run at once.
        (&fan[..], limits(4, 20), &[][..], &[][..], "r 0+1+2+3+4+5+6+7+8+9 10+11+12"),
        (&fan, limits(8, 20), &[], &[], "r 0+1+2+3+4+5+6+7+8+9+10+11+12"),
        (&fan, limits(1, 20), &[], &[], "r 0+1+2+3+4+5+6 7+8+9+10+11+12"),
        (&fan, limits(4, 5), &[], &[], "r 0+1+2+3+4 5+6+7+8+9 10+11+12"),
        (&fan[..6], limits(4, 1), &[], &[], "r 0 1 2 3 4"),
        // One that took long ends it, as a failure does.
        (&fan[..6], limits(4, 20), &["r"], &[], "r 0 1 2 3 4"),
        (&fan, limits(4, 5), &["1"], &[], "r 0+1+2+3+4 5 6 7 8 9 10 11 12"),
        (&fan, limits(4, 5), &[], &["1"], "r 0+1+2+3+4 5 6 7 8 9 10 11 12"),
        // What is known of a job itself decides.
        (known, limits(2, 20), &[], &[], "e d c b+a"),
        (known, limits(4, 3), &["e"], &[], "e d+c+b a"),
        (&["a", "b", "c"], limits(1, 20), &[], &[], "a b+c"),
    ] {
        assert_eq!(
            together(&jobs(text), limits, slow, fails),
            expected,
            "{text:?} {limits:?} {slow:?}"
        );
    }
    // Where there is no room for more that share, others are not held up.
    let mut others = jobs(&[&fan[..], &["x:r"]].concat());
    others[14].shares = false;
    assert_eq!(together(&others, limits(2, 5), &[], &[]), "r 0+1+2+3+4 x 5+6+7+8 9+10+11+12");
    // Long ones leave the others their room.
    let long = &["a=99", "b=98", "c=97", "d=96", "p=1", "q=1", "s=1"];
    assert_eq!(together(&jobs(long), limits(8, 20), &[], &[]), "a b c d p+q+s");
    let mut alone = jobs(&fan);
    for job in &mut alone {
        job.shares = false;
    }
    assert_eq!(together(&alone, limits(4, 20), &[], &[]), "r 0 1 2 3 4 5 6 7 8 9 10 11 12");
}

/// What ten take beside one another, where four run at once otherwise, is no more than each would take three times.
#[test]
fn beside_many_others_a_quick_job_takes_longer() {
    for (time, expected) in [(QUICK * 3, 3), (QUICK * 4, 1)] {
        let jobs = jobs(&[
            "r", "0:r", "1:r", "2:r", "3:r", "4:r", "5:r", "6:r", "7:r", "8:r", "9:r", "a:0",
            "b:1", "c:2",
        ]);
        let mut schedule = Schedule::new(&jobs, Limits { together: 20, ..Limits::new(4, true) });
        assert_eq!(schedule.start(), [0]);
        schedule.done(0, QUICK);
        schedule.ended(&[0]);
        let ten = schedule.start();
        assert_eq!(ten.len(), 10);
        for job in &ten {
            schedule.done(*job, time);
        }
        schedule.ended(&ten);
        assert_eq!(schedule.start().len(), expected);
    }
}

/// However long that job takes.
#[test]
fn a_process_with_one_job_left_keeps_no_groups_place() {
    let jobs = jobs(&["r", "0:r", "1:r", "2:r", "3:r", "4:r", "5:r", "6:r"]);
    let mut schedule = Schedule::new(&jobs, Limits { together: 3, ..Limits::new(2, true) });
    assert_eq!(schedule.start(), [0]);
    schedule.done(0, QUICK);
    schedule.ended(&[0]);
    assert_eq!(schedule.start(), [1, 2, 3]);
    assert_eq!(schedule.start(), [0; 0], "half of two processes do groups");
    schedule.done(1, QUICK);
    assert_eq!(schedule.start(), [0; 0]);
    schedule.done(2, QUICK);
    assert_eq!(schedule.start(), [4, 5]);
}

#[test]
fn a_panic_comes_out_and_nobody_waits_for_ever() {
    let jobs = jobs(&["a", "b:a", "c"]);
    for panics_in_work in [true, false] {
        let result = catch_unwind(AssertUnwindSafe(|| {
            run::<(), ()>(
                &jobs,
                Limits::new(3, true),
                &|| false,
                &|index| {
                    assert!(!panics_in_work || index != 0, "from the work");
                    Ok(())
                },
                &|index, _| assert!(panics_in_work || index != 1, "from the observer"),
            )
        }));
        let message = *result.unwrap_err().downcast::<&str>().unwrap();
        assert_eq!(message, if panics_in_work { "from the work" } else { "from the observer" });
    }
}

#[test]
#[should_panic(expected = "in a circle")]
fn a_circle_is_a_mistake_of_the_caller() {
    let jobs = [Job { needs: vec![1], ..Job::default() }, Job { needs: vec![0], ..Job::default() }];
    run::<(), ()>(&jobs, one(false), &|| false, &|_| Ok(()), &|_, _| {});
}
