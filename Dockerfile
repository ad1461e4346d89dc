# One image for every part of OpenKDH; docker-compose.yml says which part a container runs.
FROM node:24-bookworm AS build
WORKDIR /app
COPY . .
RUN npm ci && npx tsc -b \
  && rm -rf node_modules && npm ci --omit=dev --omit=optional
# The soft HSM's files are signed for as they are now, and the key is thrown away: docs/hsm.md, "The manifest".
RUN openssl genpkey -algorithm ed25519 -out installer.pem \
  && openssl pkey -in installer.pem -pubout -out soft-hsm-manifest.pub \
  && node apps/soft-hsm/dist/main.js sign-manifest --key installer.pem > soft-hsm-manifest.json \
  && rm installer.pem

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app /app
# Named volumes that are mounted here take over owner and mode.
RUN install -d -o node -g node -m 0700 /secrets /state
USER node
