# Muster in a container: the program, ONNX Runtime, nothing else. Models are fetched at the first start into
# the volume /models.

FROM rust:1.95-slim-trixie AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package muster \
    && cp target/release/muster /usr/local/bin/muster

FROM python:3.13-slim-trixie AS runtime
ARG ONNXRUNTIME_VERSION=1.31.1
# The library lies in the Python package; nothing of Python is needed to use it.
RUN pip download --no-cache-dir --no-deps --dest /wheel "onnxruntime==${ONNXRUNTIME_VERSION}" \
    && python -m zipfile --extract /wheel/onnxruntime-*.whl /unpacked \
    && cp "/unpacked/onnxruntime/capi/libonnxruntime.so.${ONNXRUNTIME_VERSION}" /libonnxruntime.so \
    && cp /unpacked/onnxruntime/LICENSE /onnxruntime.LICENSE

FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin muster \
    && install --directory --owner=muster --group=muster --mode=0700 /data /models
COPY --from=build /usr/local/bin/muster /usr/local/bin/muster
COPY --from=runtime /libonnxruntime.so /usr/local/lib/libonnxruntime.so
COPY --from=runtime /onnxruntime.LICENSE /usr/share/doc/onnxruntime/LICENSE
ENV MUSTER_LISTEN=0.0.0.0:8080 \
    MUSTER_DATA_DIR=/data \
    MUSTER_MODELS_DIR=/models \
    ORT_DYLIB_PATH=/usr/local/lib/libonnxruntime.so
USER muster
WORKDIR /data
VOLUME ["/data", "/models"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["muster", "health"]
ENTRYPOINT ["muster"]
