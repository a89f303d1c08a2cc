//! Turns the samples that the decoders deliver into 8-bit RGB, within the decoder's own buffer
//! where it is wide enough: the buffer is most of what a large photo costs.

use image::ColorType;

/// Bytes a pixel of the result.
const RGB: usize = 3;

/// `buffer` holds rows of `color` without padding, 16-bit samples in native order. Transparency is
/// laid over white. `None` where the layout isn't known.
pub(crate) fn to_rgb(buffer: Vec<u8>, color: ColorType) -> Option<Vec<u8>> {
    Some(match color {
        ColorType::Rgb8 => buffer,
        ColorType::L8 => widen::<1>(&buffer, |[l]| [l; 3]),
        ColorType::La8 => widen::<2>(&buffer, |[l, a]| [over_white(l, a); 3]),
        ColorType::L16 => widen::<2>(&buffer, |l| [narrow(l); 3]),
        ColorType::La16 => shrink::<4>(buffer, |[l0, l1, a0, a1]| {
            [over_white(narrow([l0, l1]), narrow([a0, a1])); 3]
        }),
        ColorType::Rgba8 => shrink::<4>(buffer, |[r, g, b, a]| {
            [over_white(r, a), over_white(g, a), over_white(b, a)]
        }),
        ColorType::Rgb16 => shrink::<6>(buffer, |[r0, r1, g0, g1, b0, b1]| {
            [narrow([r0, r1]), narrow([g0, g1]), narrow([b0, b1])]
        }),
        ColorType::Rgba16 => shrink::<8>(buffer, |[r0, r1, g0, g1, b0, b1, a0, a1]| {
            let alpha = narrow([a0, a1]);
            [[r0, r1], [g0, g1], [b0, b1]].map(|sample| over_white(narrow(sample), alpha))
        }),
        _ => return None,
    })
}

/// The nearest of the 256 levels.
fn narrow(sample: [u8; 2]) -> u8 {
    let nearest = (u32::from(u16::from_ne_bytes(sample)) + 128) / 257;
    u8::try_from(nearest).unwrap_or(u8::MAX)
}

fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    u8::try_from((value * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
}

/// For layouts narrower than RGB, which can't be converted in place.
fn widen<const N: usize>(buffer: &[u8], pixel: impl Fn([u8; N]) -> [u8; RGB]) -> Vec<u8> {
    let (pixels, _) = buffer.as_chunks::<N>();
    let mut rgb = Vec::with_capacity(pixels.len() * RGB);
    rgb.extend(pixels.iter().flat_map(|&from| pixel(from)));
    rgb
}

/// For layouts wider than RGB: a pixel is written where it, or one before it, has been read.
fn shrink<const N: usize>(mut buffer: Vec<u8>, pixel: impl Fn([u8; N]) -> [u8; RGB]) -> Vec<u8> {
    let count = buffer.len() / N;
    for index in 0..count {
        let mut from = [0; N];
        from.copy_from_slice(&buffer[index * N..(index + 1) * N]);
        buffer[index * RGB..(index + 1) * RGB].copy_from_slice(&pixel(from));
    }
    buffer.truncate(count * RGB);
    buffer.shrink_to_fit();
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(samples: &[u16]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_ne_bytes()).collect()
    }

    #[test]
    fn every_layout_becomes_rgb() {
        let rgb = |buffer, color| to_rgb(buffer, color).unwrap();
        assert_eq!(rgb(vec![1, 2, 3], ColorType::Rgb8), [1, 2, 3]);
        assert_eq!(rgb(vec![7, 9], ColorType::L8), [7, 7, 7, 9, 9, 9]);
        assert_eq!(rgb(vec![7, 255, 7, 0], ColorType::La8), [7, 7, 7, 255, 255, 255]);
        assert_eq!(rgb(wide(&[0, 65535]), ColorType::L16), [0, 0, 0, 255, 255, 255]);
        assert_eq!(rgb(wide(&[257, 65535]), ColorType::La16), [1, 1, 1]);
        assert_eq!(
            rgb(vec![10, 20, 30, 255, 1, 2, 3, 0], ColorType::Rgba8),
            [10, 20, 30, 255, 255, 255]
        );
        assert_eq!(rgb(wide(&[257, 514, 65535]), ColorType::Rgb16), [1, 2, 255]);
        assert_eq!(
            rgb(wide(&[257, 514, 771, 65535, 0, 0, 0, 0]), ColorType::Rgba16),
            [1, 2, 3, 255, 255, 255]
        );
        assert_eq!(to_rgb(vec![0; 12], ColorType::Rgb32F), None);
    }
}
