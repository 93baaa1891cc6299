//! A map that forgets what was not used for long: two generations, the older one dropped when the younger is full.

use std::collections::HashMap;
use std::hash::Hash;

/// A map of at most twice `size` entries. Those of the last `size` insertions and uses are always there.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    size: usize,
}

impl<K: Eq + Hash + Copy, V> Generations<K, V> {
    pub(crate) fn new(size: usize) -> Self {
        Generations { young: HashMap::new(), old: HashMap::new(), size }
    }

    /// The value of a key, which counts as its use.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    /// Keeps a value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.size && !self.young.contains_key(&key) {
            self.age();
        }
        self.young.insert(key, value);
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Forgets what was not used since the last time.
    pub(crate) fn age(&mut self) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut map = Generations::new(10);
        for number in 0..1000 {
            map.insert(number, number);
            assert_eq!(map.get(&0).copied(), Some(0), "used all the time");
            assert!(map.young.len() + map.old.len() <= 20);
        }
        assert_eq!(map.get(&999).copied(), Some(999));
        assert_eq!(map.get(&1), None);
        assert_eq!(map.remove(&999), Some(999));
        assert_eq!(map.get(&999), None);
    }

    #[test]
    fn two_ages_forget_all() {
        let mut map = Generations::new(10);
        map.insert(1, 'a');
        map.age();
        assert_eq!(map.remove(&1), Some('a'));
        map.insert(1, 'b');
        map.age();
        map.age();
        assert_eq!(map.get(&1), None);
    }
}
