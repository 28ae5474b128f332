// The HTTP side of the API. Errors are problem details (RFC 9457) and keep the names of the wrong fields.

export class ApiError extends Error {
  constructor(status, title, detail = "", errors = []) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
  }

  /** No answer, or the server behind the gateway is away: worth trying again. */
  get temporary() {
    return this.status === 0 || this.status === 503 || this.status === 429;
  }
}

/** Sends a request; returns the JSON of the answer, null when it has none. */
export async function api(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(15000), // of the body, too
    });
    if (!response.ok) throw await problemOf(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, "The server does not answer", "Is it running? The page tries again by itself.");
  }
}

async function problemOf(response) {
  if (response.status === 401 && !location.pathname.startsWith("/login")) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}${location.hash}`);
  }
  const body = await response.json().catch(() => ({})); // a proxy's page is not JSON
  return new ApiError(
    response.status,
    body.title ?? `The server answered ${response.status}`,
    body.detail ?? "",
    body.errors ?? [],
  );
}

/** Path of a resource of a source. */
export const sourcePath = (id, rest = "") => `/api/sources/${encodeURIComponent(id)}${rest}`;

/** Address of a WebSocket of this server. */
export function socketUrl(path) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}

/** Sends a file with progress (0..1); returns the answer's JSON. */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name.slice(0, 200) || "clip")}`);
    request.responseType = "json";
    request.upload.addEventListener(
      "progress",
      (event) => event.lengthComputable && onProgress(event.loaded / event.total),
    );
    request.addEventListener("load", () => {
      const body = request.response ?? {};
      if (request.status === 201) resolve(body);
      else
        reject(
          new ApiError(request.status, body.title ?? `The server answered ${request.status}`, body.detail, body.errors),
        );
    });
    request.addEventListener("error", () =>
      reject(new ApiError(0, "The upload broke off", "Is the server running? Try again.")),
    );
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}
