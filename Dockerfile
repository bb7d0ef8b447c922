# The image of a release: the static program that scripts/dist.sh made for each platform, the certificates by which it
# knows mail servers, and an empty folder for SQLite. It runs as nobody, and writes nowhere but in /data.
FROM scratch
ARG TARGETARCH
COPY target/dist/image/${TARGETARCH}/sendlog /usr/bin/sendlog
COPY target/dist/image/${TARGETARCH}/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65534:65534 target/dist/image/${TARGETARCH}/data /data
ENV SENDLOG_ADDR=0.0.0.0:3000 \
    SENDLOG_DATABASE_URL=sqlite:///data/sendlog.db
USER 65534:65534
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/usr/bin/sendlog", "health"]
ENTRYPOINT ["/usr/bin/sendlog"]
CMD ["serve"]
