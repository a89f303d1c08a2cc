//! Pixels to samples: what a model is fed with, plane after plane.

use crate::catalog::{Colour, Input};

/// Writes a picture's samples, plane after plane, each `(sample - mean) * scale`, into a frame of
/// `width` x `height`, at least as large as the picture, whose rest becomes what black would be.
pub(crate) fn put(
    picture: &[u8],
    picture_width: usize,
    (width, height): (usize, usize),
    input: &Input,
    samples: &mut [f32],
) {
    put_by(1, picture, picture_width, (width, height), input, samples);
}

/// The same by that many threads, each for a band of the lines.
pub(crate) fn put_by(
    threads: usize,
    picture: &[u8],
    picture_width: usize,
    (width, height): (usize, usize),
    input: &Input,
    samples: &mut [f32],
) {
    let plane = width * height;
    if plane == 0 {
        return;
    }
    let (first, rest) = samples.split_at_mut(plane);
    let (second, third) = rest.split_at_mut(plane);
    let (red, green, blue) = match input.colour {
        Colour::Rgb => (first, second, third),
        Colour::Bgr => (third, second, first),
    };
    let each = Each {
        mean: input.mean,
        scale: input.scale,
    };
    let lines = height.div_ceil(threads.max(1));
    let bands = |plane| <[f32]>::chunks_mut(plane, lines * width);
    let mut source = picture.chunks(lines * 3 * picture_width.max(1));
    let bands = bands(red).zip(bands(green)).zip(bands(blue));
    let mut work = bands.map(|((red, green), blue)| {
        let lines = source.next().unwrap_or_default();
        move || each.put_band(lines, picture_width, width, [red, green, blue])
    });
    let own = work.next();
    std::thread::scope(|scope| {
        work.for_each(|band| drop(scope.spawn(band)));
        if let Some(mut band) = own {
            band();
        }
    });
}

/// What each sample is made of.
#[derive(Clone, Copy)]
struct Each {
    mean: f32,
    scale: f32,
}

impl Each {
    #[expect(clippy::inline_always, reason = "else it is built without the vectors of its caller")]
    #[inline(always)]
    fn of(self, sample: u8) -> f32 {
        (f32::from(sample) - self.mean) * self.scale
    }

    /// Lines of pixels into bands of the three planes, `width` wide.
    fn put_band(self, pixels: &[u8], picture_width: usize, width: usize, [red, green, blue]: [&mut [f32]; 3]) {
        let black = self.of(0);
        let lines = pixels.chunks_exact(3 * picture_width.max(1)).take(red.len() / width);
        let filled = lines.len() * width;
        for (row, line) in lines.enumerate() {
            let within = row * width..(row + 1) * width;
            let targets = [&mut red[within.clone()], &mut green[within.clone()], &mut blue[within]];
            self.split(line.as_chunks::<3>().0, targets, black);
        }
        for plane in [red, green, blue] {
            plane[filled..].fill(black);
        }
    }

    /// One line's pixels into the three planes' lines, whose rest becomes `black`.
    fn split(self, pixels: &[[u8; 3]], planes: [&mut [f32]; 3], black: f32) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn wide(each: Each, pixels: &[[u8; 3]], planes: [&mut [f32]; 3], black: f32) {
                each.split_plainly(pixels, planes, black);
            }

            if is_x86_feature_detected!("avx2") {
                #[expect(unsafe_code, reason = "calling what needs a feature that not every processor has")]
                // SAFETY: the processor has just been asked for the only feature that is needed.
                unsafe {
                    wide(self, pixels, planes, black);
                }
                return;
            }
        }
        self.split_plainly(pixels, planes, black);
    }

    /// Written for compilers to turn into whatever vectors they may use.
    #[expect(clippy::inline_always, reason = "else it is built without the vectors of its caller")]
    #[inline(always)]
    fn split_plainly(self, pixels: &[[u8; 3]], [red, green, blue]: [&mut [f32]; 3], black: f32) {
        let (red, red_rest) = red.split_at_mut(pixels.len());
        let (green, green_rest) = green.split_at_mut(pixels.len());
        let (blue, blue_rest) = blue.split_at_mut(pixels.len());
        for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
            *red = self.of(pixel[0]);
            *green = self.of(pixel[1]);
            *blue = self.of(pixel[2]);
        }
        for rest in [red_rest, green_rest, blue_rest] {
            rest.fill(black);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_ordered_normalized_and_padded() {
        let picture = [1, 2, 3, 4, 5, 6];
        let mut input = Input {
            width: None,
            height: None,
            colour: Colour::Bgr,
            mean: 1.0,
            scale: 2.0,
        };
        let mut samples = vec![9.0; 18];
        put(&picture, 2, (3, 2), &input, &mut samples);
        #[rustfmt::skip]
        assert_eq!(samples, [
            4.0, 10.0, -2.0, -2.0, -2.0, -2.0,
            2.0, 8.0, -2.0, -2.0, -2.0, -2.0,
            0.0, 6.0, -2.0, -2.0, -2.0, -2.0,
        ]);
        let mut by_more = vec![9.0; 18];
        put_by(5, &picture, 2, (3, 2), &input, &mut by_more);
        assert_eq!(by_more, samples);
        input.colour = Colour::Rgb;
        let mut samples = vec![9.0; 6];
        put(&picture, 2, (2, 1), &input, &mut samples);
        assert_eq!(samples, [0.0, 6.0, 2.0, 8.0, 4.0, 10.0]);
    }
}
