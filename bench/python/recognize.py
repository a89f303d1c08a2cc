"""The usual way to recognize a class in Python, with the same ONNX files: what Muster is compared with.

OpenCV decodes and warps, ONNX Runtime runs, numpy decodes the detector's outputs and matches. Reads
one JSON object a line: {"photo": path} or {"decode": path}; answers one a line.
"""

import argparse
import json
import pathlib
import sys
import time

import cv2
import numpy as np
import onnxruntime as ort

ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
STRIDES = (8, 16, 32)
LONGEST = 1920
SIDE = 112
# As in OpenCV Zoo's demo of the detector.
SCORE, OVERLAP = 0.6, 0.3


def session(path, threads, spins):
    options = ort.SessionOptions()
    # Threads that spin between runs take the other session's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Recognizer:
    def __init__(self, detector, embedder, threads, match):
        self.sessions = [
            [session(detector, threads, spins), session(embedder, threads, spins)] for spins in (True, False)
        ]
        self.detector, self.embedder = self.sessions[0]
        self.detector_input = self.detector.get_inputs()[0].name
        self.embedder_input = self.embedder.get_inputs()[0].name
        self.outputs = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
        self.match = match
        self.in_batch = True
        self.grids = {}
        self.names, self.gallery = [], np.zeros((0, 0), np.float32)

    def grid(self, width, height, stride):
        key = (width, height, stride)
        if key not in self.grids:
            columns, rows = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
            self.grids[key] = np.stack([columns, rows], -1).reshape(-1, 2).astype(np.float32)
        return self.grids[key]

    def detect(self, picture):
        height, width = picture.shape[:2]
        scale = min(1.0, LONGEST / max(width, height))
        if scale < 1.0:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            height, width = picture.shape[:2]
        down, right = -height % 32, -width % 32
        if down or right:
            picture = cv2.copyMakeBorder(picture, 0, down, 0, right, cv2.BORDER_CONSTANT)
        blob = cv2.dnn.blobFromImage(picture)
        values = dict(zip(self.outputs, self.detector.run(self.outputs, {self.detector_input: blob})))
        boxes, scores, points = [], [], []
        for stride in STRIDES:
            cls, obj = values[f"cls_{stride}"].reshape(-1), values[f"obj_{stride}"].reshape(-1)
            score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
            kept = np.flatnonzero(score >= SCORE)
            if not kept.size:
                continue
            cell = self.grid(blob.shape[3], blob.shape[2], stride)[kept]
            box = values[f"bbox_{stride}"].reshape(-1, 4)[kept]
            centre, size = (cell + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride
            boxes.append(np.hstack([centre - size / 2, size]))
            scores.append(score[kept])
            points.append((values[f"kps_{stride}"].reshape(-1, 5, 2)[kept] + cell[:, None]) * stride)
        if not boxes:
            return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
        boxes, scores, points = np.concatenate(boxes), np.concatenate(scores), np.concatenate(points)
        best = suppress(boxes, scores)
        return boxes[best] / scale, points[best] / scale

    def embed(self, faces):
        if not len(faces):
            return np.zeros((0, self.gallery.shape[1]), np.float32)
        blob = cv2.dnn.blobFromImages(faces, swapRB=True)
        runs = [blob] if self.in_batch else [blob[n : n + 1] for n in range(len(blob))]
        vectors = np.concatenate([self.embedder.run(None, {self.embedder_input: run})[0] for run in runs])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def analyse(self, data):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        boxes, points = self.detect(picture)
        faces = [cv2.warpAffine(picture, similarity(p, ARCFACE), (SIDE, SIDE)) for p in points]
        return boxes, self.embed(faces)

    def enrol(self, folder):
        names, vectors = [], []
        for student in sorted(folder.iterdir()):
            for portrait in sorted(student.iterdir()):
                boxes, found = self.analyse(portrait.read_bytes())
                if len(boxes):
                    names.append(student.name)
                    vectors.append(found[np.argmax(boxes[:, 2] * boxes[:, 3])])
        self.names, self.gallery = np.array(names), np.array(vectors)

    def recognize(self, data):
        """The number of faces, and each student who is found, at the nearest of the faces."""
        boxes, vectors = self.analyse(data)
        similarities = vectors @ self.gallery.T
        students = np.unique(self.names)
        best = np.stack([similarities[:, self.names == s].max(axis=1) for s in students], axis=1)
        people, taken = [], set()
        for place in np.argsort(-best, axis=None):
            face, student = divmod(int(place), len(students))
            if best[face, student] < self.match:
                break
            if face not in taken and students[student] not in people:
                taken.add(face)
                people.append(str(students[student]))
        return len(boxes), people

    def choose(self, data, times=3):
        """All faces in one run, or one by one as InsightFace does; threads that spin, or not: the fastest here."""
        took = {}
        for spins in (0, 1):
            self.detector, self.embedder = self.sessions[spins]
            for self.in_batch in (True, False):
                self.recognize(data)
                begun = time.perf_counter()
                for _ in range(times):
                    self.recognize(data)
                took[spins, self.in_batch] = time.perf_counter() - begun
        spins, self.in_batch = min(took, key=took.get)
        self.detector, self.embedder = self.sessions[spins]


def suppress(boxes, scores):
    """Of boxes that overlap the best; vectorized over those that are left."""
    order, kept = np.argsort(-scores), []
    left, top = boxes[:, 0], boxes[:, 1]
    right, bottom = left + boxes[:, 2], top + boxes[:, 3]
    area = boxes[:, 2] * boxes[:, 3]
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(first)
        across = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest])
        down = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest])
        shared = np.maximum(across, 0) * np.maximum(down, 0)
        order = rest[shared / (area[first] + area[rest] - shared) <= OVERLAP]
    return kept


def similarity(source, target):
    """The least-squares similarity transform of five points onto five (Umeyama 1991), in the plane."""
    p, q = source - source.mean(0), target - target.mean(0)
    spread = (p * p).sum()
    a, b = (p * q).sum() / spread, (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.hstack([turn, (target.mean(0) - turn @ source.mean(0))[:, None]])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("detector", "embedder", "enrol", "warm"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--threads", type=int, required=True)
    options.add_argument("--match", type=float, required=True)
    options = options.parse_args()

    cv2.setNumThreads(options.threads)
    recognizer = Recognizer(options.detector, options.embedder, options.threads, options.match)
    recognizer.enrol(pathlib.Path(options.enrol))
    recognizer.choose(pathlib.Path(options.warm).read_bytes())
    how = "all faces in one run" if recognizer.in_batch else "face by face"
    about = f"onnxruntime {ort.__version__}, OpenCV {cv2.__version__}, numpy {np.__version__}, {how}"
    print(json.dumps({"about": about}), flush=True)

    for line in sys.stdin:
        asked = json.loads(line)
        data = pathlib.Path(asked.get("photo") or asked["decode"]).read_bytes()
        begun = time.perf_counter()
        if "photo" in asked:
            faces, people = recognizer.recognize(data)
            answer = {"faces": faces, "people": people}
        else:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            answer = {}
        answer["ms"] = (time.perf_counter() - begun) * 1000
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
