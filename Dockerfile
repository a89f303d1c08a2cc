# Muster in a container: the program, ONNX Runtime, nothing else. Three targets:
#
#   muster  models are fetched at the first start into the volume /models, or mounted there
#   baked   the same with the models in it, for places without a network
#   gpu     with CUDA, for NVIDIA cards; to be built with --build-arg FEATURES=cuda

# The oldest C library of the stages below, so that the program runs in each.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
ARG FEATURES=
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package muster --features "${FEATURES}" \
    && cp target/release/muster /usr/local/bin/muster

# The library lies in the Python package; nothing of Python is needed to use it.
FROM python:3.13-slim-trixie AS wheel
ARG ONNXRUNTIME_VERSION=1.31.1
RUN pip download --no-cache-dir --no-deps --dest /wheel "onnxruntime==${ONNXRUNTIME_VERSION}" \
    && python -m zipfile --extract /wheel/onnxruntime-*.whl /unpacked \
    && mkdir /runtime \
    && cp "/unpacked/onnxruntime/capi/libonnxruntime.so.${ONNXRUNTIME_VERSION}" /runtime/libonnxruntime.so \
    && cp /unpacked/onnxruntime/LICENSE /runtime/

FROM python:3.13-slim-trixie AS wheel-gpu
# The last that wants CUDA 12.
ARG ONNXRUNTIME_GPU_VERSION=1.26.0
RUN pip download --no-cache-dir --no-deps --dest /wheel "onnxruntime-gpu==${ONNXRUNTIME_GPU_VERSION}" \
    && python -m zipfile --extract /wheel/onnxruntime_gpu-*.whl /unpacked \
    && mkdir /runtime \
    && cp "/unpacked/onnxruntime/capi/libonnxruntime.so.${ONNXRUNTIME_GPU_VERSION}" /runtime/libonnxruntime.so \
    && cp /unpacked/onnxruntime/capi/libonnxruntime_providers_shared.so \
          /unpacked/onnxruntime/capi/libonnxruntime_providers_cuda.so /unpacked/onnxruntime/LICENSE /runtime/

FROM nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04 AS gpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin muster \
    && install --directory --owner=muster --group=muster --mode=0700 /data /models
COPY --from=build /usr/local/bin/muster /usr/local/bin/muster
COPY --from=wheel-gpu /runtime /usr/local/lib/onnxruntime
ENV MUSTER_LISTEN=0.0.0.0:8080 \
    MUSTER_DATA_DIR=/data \
    MUSTER_MODELS_DIR=/models \
    ORT_DYLIB_PATH=/usr/local/lib/onnxruntime/libonnxruntime.so
USER muster
WORKDIR /data
VOLUME ["/data", "/models"]
ENTRYPOINT ["muster"]

FROM debian:trixie-slim AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin muster \
    && install --directory --owner=muster --group=muster --mode=0700 /data /models
COPY --from=build /usr/local/bin/muster /usr/local/bin/muster
COPY --from=wheel /runtime /usr/local/lib/onnxruntime
ENV MUSTER_LISTEN=0.0.0.0:8080 \
    MUSTER_DATA_DIR=/data \
    MUSTER_MODELS_DIR=/models \
    ORT_DYLIB_PATH=/usr/local/lib/onnxruntime/libonnxruntime.so
USER muster
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["muster", "health"]
ENTRYPOINT ["muster"]

FROM base AS baked
# No volume: what is written to one while the image is built is thrown away.
RUN muster models fetch
VOLUME ["/data"]

FROM base AS muster
VOLUME ["/data", "/models"]
