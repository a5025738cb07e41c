# syntax=docker/dockerfile:1
# The image of Saem: the binary, glibc, certificates, and no shell. docs/deploy.md says how to build and run
# it.

# Both stages are Debian 12: the binary needs no newer glibc than the base image has.
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
# BuildKit caches what cargo downloads and builds, so that a change in src/ rebuilds one crate. Each platform
# has its own target directory.
ARG TARGETPLATFORM
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=saem-target-${TARGETPLATFORM},target=/build/target,sharing=locked \
    cargo build --profile dist --locked --bin saem \
    && install -D --mode=0755 target/dist/saem /out/saem \
    && install --directory --mode=0700 /out/data

# The binary alone, for a tarball with the same bytes as the image:
# docker buildx build --target binary --output type=local,dest=. .
FROM scratch AS binary
COPY --from=build /out/saem /saem

FROM gcr.io/distroless/cc-debian12:nonroot AS image
COPY --from=build /out/saem /usr/bin/saem
# A new volume gets its owner from this directory. 65532 is the base image's user `nonroot`. It is given as a
# number, which lets Kubernetes check that it is not root.
COPY --from=build --chown=65532:65532 /out/data /var/lib/saem
USER 65532:65532
WORKDIR /var/lib/saem
VOLUME /var/lib/saem
ENV SAEM_HTTP__LISTEN=0.0.0.0:8080 \
    SAEM_STORE__PATH=/var/lib/saem
EXPOSE 8080
# The server drains and closes on SIGTERM. It writes only to its volume, so --read-only works.
STOPSIGNAL SIGTERM
# No HEALTHCHECK, which would need an HTTP client in the image. Probe /healthz and /readyz from outside.
ENTRYPOINT ["/usr/bin/saem"]
CMD ["serve"]

# Last, as these change with every build.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Saem" \
      org.opencontainers.image.description="A rental-commerce server for water purifiers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
