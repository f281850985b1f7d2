# Two stages: the executable is built with Node.js, npm and nothing else; the image holds it, a C library and its configuration.
ARG BUILD_IMAGE=node:22-bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY deno.json deno.lock ./
RUN npx -y deno@2.9.6 install
COPY src ./src
COPY scripts/build.ts ./scripts/build.ts
RUN ./node_modules/.bin/bun --no-install scripts/build.ts

FROM ${RUNTIME_IMAGE}
# One unprivileged user; the ids are fixed so that a volume's files keep their owner from release to release.
RUN groupadd --system --gid 2525 mta \
 && useradd --system --uid 2525 --gid mta --home-dir /var/lib/mta --shell /usr/sbin/nologin mta \
 && install -d -o mta -g mta -m 0711 /var/lib/mta /var/lib/mta/queue \
 && install -d -o mta -g mta -m 0700 /var/lib/mta/data /var/lib/mta/mail
COPY --from=build /build/dist/mta /usr/local/bin/mta
RUN for name in sendmail mailq newaliases postqueue postsuper postcat postlog qshape postmap postalias postconf postmulti; do \
      ln -s mta /usr/local/bin/$name; \
    done && ln -s ../local/bin/mta /usr/sbin/sendmail && ln -s ../local/bin/mta /usr/lib/sendmail
COPY config/container/ /etc/mta/
USER mta
# Queue, mailboxes and state: the one place that is written to. The rest of the image may be read-only.
VOLUME /var/lib/mta
EXPOSE 2525 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["mta", "status"]
ENTRYPOINT ["mta"]
CMD ["serve"]
