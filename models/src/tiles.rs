//! Which parts of a photo the detector sees, and which of the faces found in a part count.
//!
//! A face 24 pixels wide is the smallest worth finding and needs 12 in what the detector sees, so a
//! photo may be halved and no more. What is then still too long for one run is seen once as a whole,
//! scaled down, and once in overlapping tiles, one after another. The whole view is responsible for
//! large faces, which a tile would cut; the tiles for small ones, which the whole view would lose.

use crate::detection::{Detection, float};

/// The longer side, in pixels, to which a photo is scaled down; never up, which gains nothing and
/// doubles false detections.
pub(crate) const LONGEST: u32 = 1920;

/// The longer side of one run at most. Above [`LONGEST`] because the usual photo of twelve
/// megapixels is 4000 to 4096 pixels long: halved it is a little over, and to cut it in two would
/// cost more than the few pixels do.
const ONE_RUN: u32 = 2048;

/// A photo is scaled down to one part in this many at most.
const MOST_REDUCED: u32 = 2;

/// The longer side of a face, in pixels of what the detector sees, from which the overview can be trusted: a
/// face of 12 pixels is found where its surroundings help, one three times as wide nearly always.
const SURELY_FOUND: u32 = 48;

/// A photo so many times as long as high is none of people.
const STRIP: u32 = 20;

/// Overlap is this many times the longest face for which tiles are responsible. See [`Tile::counts`].
const OVERLAP_IN_FACES: u32 = 2;

/// A part of the scaled photo, for one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub x: Span,
    pub y: Span,
    /// Pixels that neighbours share; 0 where the tile is the whole photo.
    overlap: u32,
}

/// Where a tile begins on one axis and how long it is, in pixels of the scaled photo of `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u32,
    pub length: u32,
    limit: u32,
}

/// How a photo is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Sides of the scaled photo from which the tiles are cut.
    pub scaled: (u32, u32),
    /// Sides of the scaled photo that is seen as a whole besides, where there are several tiles.
    pub overview: Option<(u32, u32)>,
    /// At least one.
    pub tiles: Vec<Tile>,
}

impl Plan {
    /// For a photo of `width` x `height` pixels, each at least 1.
    pub fn new(width: u32, height: u32) -> Self {
        let longer = width.max(height);
        let target = longer.div_ceil(MOST_REDUCED).max(LONGEST);
        let scaled = fit(width, height, target);
        // A strip shows no face that would be lost in it, and could be cut into thousands of tiles.
        let is_strip = longer / width.min(height).max(1) >= STRIP;
        if is_strip || target <= ONE_RUN {
            let scaled = if is_strip { fit(width, height, LONGEST) } else { scaled };
            return Self {
                scaled,
                overview: None,
                tiles: vec![Tile {
                    x: Span::whole(scaled.0),
                    y: Span::whole(scaled.1),
                    overlap: 0,
                }],
            };
        }
        // Tiles must see whole whatever the overview, smaller by target / LONGEST, can't be trusted
        // with. Of a strip more than twenty times as long as high the overview shows too little;
        // half a tile is as far as overlaps go.
        let faces = (u64::from(SURELY_FOUND) * u64::from(target)).div_ceil(LONGEST.into());
        let overlap = u32::try_from(faces * u64::from(OVERLAP_IN_FACES)).map_or(LONGEST / 2, |o| o.min(LONGEST / 2));
        let columns = cut(scaled.0, overlap);
        let tiles = cut(scaled.1, overlap)
            .into_iter()
            .flat_map(|y| columns.iter().map(move |&x| Tile { x, y, overlap }))
            .collect();
        Self {
            scaled,
            overview: Some(fit(width, height, LONGEST)),
            tiles,
        }
    }
}

/// The sides scaled down so that the longer one is at most `target`.
fn fit(width: u32, height: u32, target: u32) -> (u32, u32) {
    let longer = width.max(height);
    let scaled = |side: u32| {
        if longer <= target {
            return side;
        }
        let side = (u64::from(side) * u64::from(target) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(side).unwrap_or(target).clamp(1, target)
    };
    (scaled(width), scaled(height))
}

/// As few spans as cover `0..limit`, nearly alike, each of at most [`LONGEST`], neighbours sharing at
/// least `overlap`.
fn cut(limit: u32, overlap: u32) -> Vec<Span> {
    if limit <= LONGEST {
        return vec![Span::whole(limit)];
    }
    let count = (limit - overlap).div_ceil(LONGEST - overlap);
    let length = (limit - overlap).div_ceil(count) + overlap;
    let last = limit - length;
    (0..count)
        .map(|index| Span {
            // Between 0 and `last`, so it fits.
            start: u32::try_from(u64::from(last) * u64::from(index) / u64::from(count - 1)).unwrap_or(last),
            length,
            limit,
        })
        .collect()
}

impl Span {
    const fn whole(limit: u32) -> Self {
        Self {
            start: 0,
            length: limit,
            limit,
        }
    }

    /// Whether `at` lies at least `margin` from both ends that aren't the photo's.
    fn holds(self, at: f32, margin: f32) -> bool {
        let (start, end) = (float(self.start), float(self.start + self.length));
        let after = self.start == 0 || at >= start + margin;
        let before = self.start + self.length == self.limit || at < end - margin;
        after && before
    }
}

impl Tile {
    /// Whether a face that was found in this tile, in pixels of the scaled photo, is the tile's to
    /// tell.
    ///
    /// It is if its longer side is at most half the overlap and its middle at least three eighths of the
    /// overlap away from where the tile cuts the photo: then it lies whole in the tile, with room around it.
    /// What is left of a face that the tile cuts reaches the cut, so it either is too long or has its middle too
    /// near. And as neighbours share the whole overlap, each place is, by an eighth of it, some tile's to tell,
    /// wherever in the face two tiles see its middle.
    pub fn counts(&self, face: &Detection) -> bool {
        if self.overlap == 0 {
            return true;
        }
        let overlap = float(self.overlap);
        let margin = overlap * 0.375;
        face.width.max(face.height) <= overlap / 2.0
            && self.x.holds(face.x + face.width / 2.0, margin)
            && self.y.holds(face.y + face.height / 2.0, margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(width: u32, height: u32) -> (u32, u32) {
        let plan = Plan::new(width, height);
        assert_eq!((plan.tiles.len(), plan.overview), (1, None), "{width} x {height}");
        let tile = plan.tiles[0];
        assert_eq!((tile.x.start, tile.y.start), (0, 0));
        assert_eq!((tile.x.length, tile.y.length), plan.scaled);
        plan.scaled
    }

    #[test]
    fn photos_are_scaled_down_but_never_up_nor_under_half() {
        assert_eq!(one(1, 1), (1, 1));
        assert_eq!(one(640, 480), (640, 480));
        assert_eq!(one(1920, 1080), (1920, 1080));
        assert_eq!(one(2500, 1250), (1920, 960));
        assert_eq!(one(3840, 2160), (1920, 1080));
        assert_eq!(one(1, 3840), (1, 1920));
        assert_eq!(one(4000, 3000), (2000, 1500));
        assert_eq!(one(3072, 4096), (1536, 2048));
    }

    #[test]
    fn what_is_too_long_for_a_run_is_seen_whole_and_in_tiles() {
        let plan = Plan::new(6000, 4000);
        assert_eq!(plan.scaled, (3000, 2000));
        assert_eq!(plan.overview, Some((1920, 1280)));
        assert_eq!(plan.tiles.len(), 4);
        let plan = Plan::new(2000, 24_000);
        assert_eq!((plan.scaled, plan.overview), ((1000, 12_000), Some((160, 1920))));
        assert!(plan.tiles.iter().all(|tile| tile.x == Span::whole(1000)));
    }

    /// A file that is tiny when it is compressed must not keep a worker for minutes.
    #[test]
    fn a_strip_is_seen_once() {
        for (width, height) in [(50_000_000, 1), (1, 50_000_000), (31_000, 1550), (3_800_000, 13)] {
            let plan = Plan::new(width, height);
            assert_eq!((plan.tiles.len(), plan.overview), (1, None), "{width} x {height}");
            assert!(plan.scaled.0.max(plan.scaled.1) <= ONE_RUN);
        }
        assert!(Plan::new(20_000, 2500).tiles.len() < 100);
    }

    #[test]
    fn tiles_cover_the_photo_and_share_the_overlap() {
        for (width, height) in [(4097, 10), (8160, 6120), (65_000, 700), (12_000, 4100), (5_000_000, 10)] {
            let plan = Plan::new(width, height);
            for (limit, spans) in [
                (plan.scaled.0, plan.tiles.iter().map(|tile| tile.x).collect::<Vec<_>>()),
                (plan.scaled.1, plan.tiles.iter().map(|tile| tile.y).collect()),
            ] {
                let mut spans = spans;
                spans.sort_by_key(|span| span.start);
                spans.dedup();
                let overlap = plan.tiles[0].overlap;
                assert_eq!(spans[0].start, 0);
                assert!(spans.iter().all(|span| span.length <= LONGEST && span.length > 0));
                for pair in spans.windows(2) {
                    assert!(pair[1].start + overlap <= pair[0].start + pair[0].length, "{pair:?}");
                }
                let last = spans[spans.len() - 1];
                assert_eq!(last.start + last.length, limit);
            }
        }
    }

    fn face(x: f32, y: f32, side: f32) -> Detection {
        Detection {
            score: 1.0,
            x: x - side / 2.0,
            y: y - side / 2.0,
            width: side,
            height: side,
            landmarks: [[0.0; 2]; 5],
        }
    }

    /// Wherever a face lies, it is told by a tile that sees all of it, or it is the overview's.
    #[test]
    fn every_small_face_is_some_tiles_and_whole_in_it() {
        let plan = Plan::new(8160, 6120);
        let overview = float(plan.overview.unwrap().0) / float(plan.scaled.0);
        for step in 0..5000_u32 {
            let x = float(step * 7919 % plan.scaled.0);
            let y = float(step * 104_729 % plan.scaled.1);
            for side in [12.0, 24.0, 51.0, 102.0] {
                let face = face(x, y, side);
                let told: Vec<&Tile> = plan.tiles.iter().filter(|tile| tile.counts(&face)).collect();
                assert!(!told.is_empty(), "{face:?}");
                for tile in told {
                    for (span, from) in [(tile.x, face.x), (tile.y, face.y)] {
                        let (start, end) = (float(span.start), float(span.start + span.length));
                        assert!(from >= start || span.start == 0, "{face:?} {tile:?}");
                        assert!(from + side <= end || span.start + span.length == span.limit);
                    }
                }
            }
            let large = face(x, y, 103.0);
            assert!(plan.tiles.iter().all(|tile| !tile.counts(&large)));
            assert!(large.width * overview >= float(SURELY_FOUND), "the overview finds it");
        }
    }

    /// What a cut leaves of a face reaches the cut, whatever its size.
    #[test]
    fn no_piece_of_a_cut_face_counts() {
        let plan = Plan::new(8160, 6120);
        let tile = plan.tiles[0];
        let edge = float(tile.x.start + tile.x.length);
        for width in 1..400_u16 {
            let piece = face(edge - f32::from(width) / 2.0, 300.0, f32::from(width));
            assert!(!tile.counts(&piece), "{width}");
        }
    }
}
