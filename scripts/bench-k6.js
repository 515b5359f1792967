// For `scripts/bench generate`: k6, signing with SigV4 in its script; the day's key is kept.
import crypto from "k6/crypto";
import http from "k6/http";

const region = "us-east-1";
const service = "personalize";
const secret = "bench";
const host = __ENV.URL.split("/")[2];
let keyOfDay = "";
let key;

export default function () {
  const user = `user-${String((__ITER * 64 + __VU) % 10000).padStart(8, "0")}`;
  const body = JSON.stringify({ campaignArn: __ENV.ARN, userId: user });
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const day = date.slice(0, 8);
  if (day !== keyOfDay) {
    key = "AWS4" + secret;
    for (const part of [day, region, service, "aws4_request"]) {
      key = crypto.hmac("sha256", key, part, "binary");
    }
    keyOfDay = day;
  }
  const names = "content-type;host;x-amz-date";
  const head = `content-type:application/json\nhost:${host}\nx-amz-date:${date}\n`;
  const canonical = `POST\n/recommendations\n\n${head}\n${names}\n${crypto.sha256(body, "hex")}`;
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${crypto.sha256(canonical, "hex")}`;
  const signature = crypto.hmac("sha256", key, text, "hex");
  const credential = `Credential=bench/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  http.post(`${__ENV.URL}/recommendations`, body, {
    headers: {
      "Content-Type": "application/json",
      "X-Amz-Date": date,
      Authorization: `AWS4-HMAC-SHA256 ${credential}`,
    },
  });
}
