# One image for every part of OpenKDH; docker-compose.yml says which part a container runs.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci && npx tsc -b \
  && rm -rf node_modules && npm ci --omit=dev --omit=optional

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app /app
# Named volumes that are mounted here take over owner and mode.
RUN install -d -o node -g node -m 0700 /secrets /state
USER node
