// storage.get and storage.put over their host calls: objects with bodies to
// read, and bodies of any kind and size to store.

const { openStream, isBufferSource } = shared;
const { Body, extract, encode } = shared.use('body');
const { received } = shared.use('response');
const { upload, MOST_TEXT, MOST_BYTES } = shared.use('fetch');

// StorageObject is what storage.get resolves to: its properties say what is
// stored, and its body is read once, as that of a Response.
class StorageObject {
  #response;
  constructor({ body, stream, ...rest }) {
    Object.assign(this, rest);
    const answer = { __proto__: null, status: 200, headers: [['content-type', rest.contentType]], body };
    if (stream !== undefined) answer.bodyStream = stream;
    this.#response = received(answer).response;
  }
  get body() { return this.#response.body; }
  get bodyUsed() { return this.#response.bodyUsed; }
  text() { return this.#response.text(); }
  json() { return this.#response.json(); }
  bytes() { return this.#response.bytes(); }
  arrayBuffer() { return this.#response.arrayBuffer(); }
  blob() { return this.#response.blob(); }
}

async function get(start, key, options) {
  const answer = await start(key, options).promise;
  return answer === undefined ? undefined : new StorageObject(answer);
}

const kinds = new Set(['[object Blob]', '[object File]', '[object ReadableStream]', '[object FormData]', '[object URLSearchParams]']);

// put stores a body; one that is not small goes through a stream of the host.
async function put(start, key, body, options) {
  if (typeof body !== 'string' && !isBufferSource(body) && !kinds.has(Object.prototype.toString.call(body))) {
    throw new TypeError('argument 2 (body) must be a string, bytes, a Blob, FormData, URLSearchParams or a ReadableStream');
  }
  const { data, stream, type } = extract(body);
  if (typeof body !== 'string' && type !== null && options?.contentType === undefined) options = { ...options, contentType: type };
  if (data !== undefined && data.length <= (typeof data === 'string' ? MOST_TEXT : MOST_BYTES)) {
    return start(key, data, options).promise;
  }
  let source = { stream };
  if (data !== undefined) {
    source = { data: encode(data) };
    options = { ...options, size: source.data.length };
    if (typeof data === 'string') options.contentType ??= 'text/plain; charset=utf-8';
  }
  const host = await openStream();
  return new Promise((resolve, reject) => {
    const call = start(key, host.id, options);
    const stop = upload(host, new Body(source), (e) => reject(new TypeError('storage.put: the body could not be sent', { cause: e })));
    call.promise.then(resolve, (e) => {
      stop(e);
      reject(e);
    });
  });
}

return { get, put };
