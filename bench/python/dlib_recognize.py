"""face_recognition (dlib) on a class, as its own examples use it. Speaks as recognize.py does."""

import argparse
import io
import json
import pathlib
import sys
import time

import dlib
import face_recognition
import numpy as np


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--enrol", required=True)
    options.add_argument("--threads", type=int, required=True)
    options = options.parse_args()

    names, gallery = [], []
    for student in sorted(pathlib.Path(options.enrol).iterdir()):
        for portrait in sorted(student.iterdir()):
            found = face_recognition.face_encodings(face_recognition.load_image_file(portrait))
            if found:
                names.append(student.name)
                gallery.append(found[0])
    about = f"face_recognition {face_recognition.__version__} (dlib {dlib.__version__}, HOG), {len(names)} portraits known"
    print(json.dumps({"about": about}), flush=True)

    for line in sys.stdin:
        data = pathlib.Path(json.loads(line)["photo"]).read_bytes()
        begun = time.perf_counter()
        encodings = face_recognition.face_encodings(face_recognition.load_image_file(io.BytesIO(data)))
        people = set()
        for encoding in encodings:
            distances = face_recognition.face_distance(gallery, encoding)
            nearest = int(np.argmin(distances))
            # The tolerance of face_recognition.compare_faces.
            if distances[nearest] <= 0.6:
                people.add(names[nearest])
        took = (time.perf_counter() - begun) * 1000
        print(json.dumps({"faces": len(encodings), "people": sorted(people), "ms": took}), flush=True)


if __name__ == "__main__":
    main()
