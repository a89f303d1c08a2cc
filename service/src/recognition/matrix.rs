//! Many vectors laid out so that a processor multiplies some with all of them at the speed at which
//! it reads them. Pure.
//!
//! Vectors stand in groups of [`LANES`], number by number: the first numbers of all of a group, then
//! their second ones. So each lane of a wide register sums the product of one vector, without
//! adding lanes up at the end and in the same order whatever the register's width: results are
//! the same on every processor. The vectors that they are multiplied with are taken in pairs, and all of them
//! before the next group: however many there are, the matrix comes from memory once.

/// Vectors in a group: enough sums in flight to hide the time that an addition takes.
const LANES: usize = 32;

/// Vectors of one length, in the order in which they came.
#[derive(Debug, Default)]
pub struct Matrix {
    groups: Vec<[f32; LANES]>,
    rows: usize,
    dimension: usize,
}

impl Matrix {
    /// Of vectors with so many numbers, and room for so many of them.
    pub fn with_capacity(dimension: usize, rows: usize) -> Self {
        Self {
            groups: Vec::with_capacity(rows.div_ceil(LANES) * dimension),
            rows: 0,
            dimension,
        }
    }

    /// Adds a vector; what it has beyond the matrix's dimension is left out, what it lacks is 0.
    pub fn push(&mut self, vector: &[f32]) {
        let lane = self.rows % LANES;
        if lane == 0 {
            self.groups.resize(self.groups.len() + self.dimension, [0.0; LANES]);
        }
        let group = self.groups.len() - self.dimension;
        for (numbers, number) in self.groups[group..].iter_mut().zip(vector) {
            numbers[lane] = *number;
        }
        self.rows += 1;
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.groups.as_slice())
    }

    /// The inner products of each vector given with each of the matrix. One of another length is
    /// not comparable: negative infinity.
    pub fn products(&self, vectors: &[&[f32]]) -> Vec<Vec<f32>> {
        let room = self.rows.next_multiple_of(LANES);
        let mut products: Vec<Vec<f32>> = vectors
            .iter()
            .map(|vector| {
                if vector.len() == self.dimension && self.dimension > 0 {
                    vec![0.0; room]
                } else {
                    vec![f32::NEG_INFINITY; self.rows]
                }
            })
            .collect();
        let mut comparable: Vec<(&[f32], &mut Vec<f32>)> = vectors
            .iter()
            .zip(&mut products)
            .filter(|(vector, _)| vector.len() == self.dimension && self.dimension > 0)
            .map(|(vector, products)| (*vector, products))
            .collect();
        let mut pairs = comparable.chunks_exact_mut(2);
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for pair in &mut pairs {
            if let [(a, to_a), (b, to_b)] = pair {
                tasks.push(Task::Two(
                    a.iter().zip(*b).map(|(x, y)| [*x, *y]).collect(),
                    [to_a, to_b],
                ));
            }
        }
        if let [(last, to)] = pairs.into_remainder() {
            tasks.push(Task::One(last, to));
        }
        multiply(&self.groups, self.dimension, &mut tasks);
        drop(tasks);
        for products in &mut products {
            products.truncate(self.rows);
        }
        products
    }
}

/// One vector, or two with their numbers side by side, and where the products go.
enum Task<'a> {
    One(&'a [f32], &'a mut [f32]),
    Two(Vec<[f32; 2]>, [&'a mut [f32]; 2]),
}

/// By the widest registers that this processor has.
fn multiply(groups: &[[f32; LANES]], dimension: usize, tasks: &mut [Task<'_>]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(groups: &[[f32; LANES]], dimension: usize, tasks: &mut [Task<'_>]) {
            multiply_all(groups, dimension, tasks);
        }

        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "calling what needs a feature that not every processor has")]
            // SAFETY: the processor has just been asked for the only feature that is needed.
            unsafe {
                wide(groups, dimension, tasks);
            }
            return;
        }
    }
    multiply_all(groups, dimension, tasks);
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it is compiled for the features of whoever calls it"
)]
fn multiply_all(groups: &[[f32; LANES]], dimension: usize, tasks: &mut [Task<'_>]) {
    if dimension == 0 {
        return;
    }
    for (group, begin) in groups.chunks_exact(dimension).zip((0..).step_by(LANES)) {
        let lanes = begin..begin + LANES;
        for task in &mut *tasks {
            match task {
                Task::One(vector, to) => {
                    let mut sums = [0.0; LANES];
                    for (numbers, x) in group.iter().zip(*vector) {
                        for (sum, number) in sums.iter_mut().zip(numbers) {
                            *sum += number * x;
                        }
                    }
                    to[lanes.clone()].copy_from_slice(&sums);
                }
                Task::Two(vectors, [to_a, to_b]) => {
                    let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
                    for (numbers, [x, y]) in group.iter().zip(vectors.iter()) {
                        for lane in 0..LANES {
                            a[lane] += numbers[lane] * x;
                            b[lane] += numbers[lane] * y;
                        }
                    }
                    to_a[lanes.clone()].copy_from_slice(&a);
                    to_b[lanes.clone()].copy_from_slice(&b);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    #[test]
    fn products_are_those_of_plain_sums() {
        let mut random = StdRng::seed_from_u64(5);
        for (dimension, rows, faces) in [(128, 100, 5), (512, 33, 2), (7, 32, 1), (1, 1, 3), (128, 0, 2)] {
            let mut vectors = |n: usize| -> Vec<Vec<f32>> {
                (0..n)
                    .map(|_| (0..dimension).map(|_| random.random_range(-1.0..1.0)).collect())
                    .collect()
            };
            let (all, asked) = (vectors(rows), vectors(faces));
            let mut matrix = Matrix::with_capacity(dimension, 0);
            for vector in &all {
                matrix.push(vector);
            }
            let asked: Vec<&[f32]> = asked.iter().map(Vec::as_slice).collect();
            for (asked, products) in asked.iter().zip(matrix.products(&asked)) {
                let expected: Vec<f32> = all
                    .iter()
                    .map(|vector| vector.iter().zip(*asked).fold(0.0, |sum, (x, y)| sum + x * y))
                    .collect();
                assert_eq!(products, expected, "{dimension} numbers, {rows} rows");
            }
        }
    }

    #[test]
    fn what_has_another_length_is_not_comparable() {
        let mut matrix = Matrix::with_capacity(2, 1);
        matrix.push(&[1.0, 0.0]);
        let products = matrix.products(&[&[1.0], &[0.5, 0.5], &[], &[1.0, 2.0, 3.0]]);
        let never = vec![f32::NEG_INFINITY];
        assert_eq!(products, [never.clone(), vec![0.5], never.clone(), never]);
        assert!(Matrix::default().products(&[&[1.0]])[0].is_empty());
    }
}
