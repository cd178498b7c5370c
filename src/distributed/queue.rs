//! A queue from some threads to another one that allocates nothing once it is there. Channels of the standard library
//! do when a thread first waits, which is in whatever step it comes to that. It knows nothing of what it carries.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// An end that gives. The queue is closed when the last one is gone.
pub struct Sender<T>(Arc<Queue<T>>);

/// The end that takes. The queue is closed when it is gone.
pub struct Receiver<T>(Arc<Queue<T>>);

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    most: usize,
    senders: usize,
    is_taken: bool,
}

/// A queue that holds so many.
pub fn new<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { waiting: VecDeque::with_capacity(most), most, senders: 1, is_taken: true };
    let queue = Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(queue.clone()), Receiver(queue))
}

impl<T> Queue<T> {
    /// Nothing that can panic runs while the state is locked.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as something is so.
    fn wait_while(&self, is: impl Fn(&State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        let state = self.lock();
        self.changed.wait_while(state, |state| is(state)).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    /// Waits for room.
    ///
    /// # Errors
    /// What was to be sent, where nobody takes it any more.
    pub fn send(&self, what: T) -> Result<(), T> {
        let mut state = self.0.wait_while(|state| state.is_taken && state.waiting.len() >= state.most);
        if !state.is_taken {
            return Err(what);
        }
        state.waiting.push_back(what);
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Waits for the next one; `None` where there is none and nobody sends any more.
    pub fn take(&self) -> Option<T> {
        let mut state = self.0.wait_while(|state| state.waiting.is_empty() && state.senders > 0);
        let next = state.waiting.pop_front();
        drop(state);
        self.0.changed.notify_all();
        next
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_taken = false;
        // Whoever waits for the answer to one of these is to hear that there is none.
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        self.0.changed.notify_all();
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_arrive_in_order_with_room_for_few() {
        let (sender, receiver) = new(2);
        let giving = thread::spawn(move || (0..100).for_each(|number| sender.send(number).unwrap()));
        let mut expected = 0;
        while let Some(number) = receiver.take() {
            assert_eq!(number, expected);
            expected += 1;
            if number % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(expected, 100);
        giving.join().unwrap();
    }

    #[test]
    fn ends_that_are_gone_are_noticed() {
        // The receiver, also by a sender that waits for room.
        let (sender, receiver) = new(1);
        let other = sender.clone();
        sender.send(1).unwrap();
        let waiting = thread::spawn(move || other.send(2));
        thread::sleep(Duration::from_millis(5));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(2));
        assert_eq!(sender.send(3), Err(3));

        // All senders, also by a receiver that waits.
        let (sender, receiver) = new::<u8>(1);
        let other = sender.clone();
        drop(sender);
        let waiting = thread::spawn(move || receiver.take());
        thread::sleep(Duration::from_millis(5));
        drop(other);
        assert_eq!(waiting.join().unwrap(), None);

        // What is still in it goes with the receiver.
        let (answer, heard) = new::<u8>(1);
        let (sender, receiver) = new(1);
        assert!(sender.send(answer).is_ok());
        drop(receiver);
        assert_eq!(heard.take(), None);
    }
}
