// Prints every event of one source, one JSON object a line, and survives a lost server:
//   npm install && node subscribe.mjs cam1 [redis://127.0.0.1:6379 or a socket's path] [last id seen]
// The server's password is read from REDISCLI_AUTH, as redis-cli does.
import { decode } from "@msgpack/msgpack";
import Redis from "ioredis";

const [source, server = "redis://127.0.0.1:6379", since = "0"] = process.argv.slice(2);
const redis = new Redis(server, { maxRetriesPerRequest: null, password: process.env.REDISCLI_AUTH });
redis.on("error", (error) => console.error(String(error)));

// The bits of a CRC-32, as in zip files.
const bit = (crc) => (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
const crc32 = (text) => ~Buffer.from(text).reduce((crc, byte) => [..."01234567"].reduce(bit, crc ^ byte), ~0) >>> 0;

const shards = Number((await redis.get("cm:shards")) ?? 1);
const key = `{cm${crc32(source) % shards}}:feedback:${source}`;
for (let last = since; ; ) {
  const reply = await redis.xreadBuffer("COUNT", 100, "BLOCK", 5000, "STREAMS", key, last);
  for (const [id, [, body]] of reply?.[0][1] ?? []) {
    const { v, t, ...event } = decode(body);
    if (v === 1) console.log(JSON.stringify({ id: id.toString(), type: t, ...event }));
    last = id.toString();
  }
}
