package sandbox_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// Objects of any size come back as they were put, from whatever they were made,
// with the methods of a body.
func TestStorageObjects(t *testing.T) {
	w := newWorldWith(t, []*sandboxpb.API{{Name: "storage.get"}, {Name: "storage.put"}})
	type stored struct {
		data []byte
		kind string
	}
	objects := map[string]stored{}
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"storage.put": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			var key, text string
			var id uint32
			var options struct {
				ContentType string
				Size        *int
			}
			_ = json.Unmarshal(args[0], &key)
			if len(args) > 2 {
				_ = json.Unmarshal(args[2], &options)
			}
			if json.Unmarshal(args[1], &id) == nil {
				data, err := io.ReadAll(w.receiveStream(id))
				if err != nil {
					return nil, &sandboxpb.Exception{Name: "AbortError", Message: "cut short"}
				}
				if options.Size != nil && *options.Size != len(data) {
					t.Errorf("%s: %d bytes, %d announced", key, len(data), *options.Size)
				}
				text = string(data)
			} else if json.Unmarshal(args[1], &text) != nil {
				t.Errorf("put %s %.100s", key, args[1])
			}
			objects[key] = stored{[]byte(text), options.ContentType}
			return map[string]any{"key": key, "size": len(text)}, nil
		},
		"storage.get": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			var key string
			_ = json.Unmarshal(args[0], &key)
			o := objects[key]
			answer := map[string]any{"key": key, "size": len(o.data), "contentType": o.kind}
			if len(o.data) < 100 {
				answer["body"] = string(o.data)
			} else {
				answer["stream"] = w.sendStream(io.NopCloser(strings.NewReader(string(o.data))))
			}
			return answer, nil
		},
	}
	r := request("storage", `async () => {
		const failed = [];
		const same = (what, got, want) => { if (got !== want) failed.push(what + ': ' + String(got).slice(0, 100)); };
		const long = 'long é '.repeat(20000);
		const bytes = new TextEncoder().encode(long);
		const stream = () => new ReadableStream({ start(c) { c.enqueue(bytes.slice(0, 70000)); c.enqueue(bytes.slice(70000)); c.close(); } });
		for (const [key, body, text, type] of [
			['short', 'text', 'text', ''], ['long', long, long, 'text/plain; charset=utf-8'], ['bytes', bytes, long, ''], ['buffer', bytes.buffer, long, ''],
			['blob', new Blob([long], { type: 'text/css' }), long, 'text/css'], ['stream', stream(), long, ''],
		]) {
			const put = await storage.put(key, body);
			same(key + ' size', put.size, new TextEncoder().encode(text).length);
			const o = await storage.get(key);
			same(key + ' key', o.key, key);
			same(key + ' contentType', o.contentType, type);
			same(key + ' used', o.bodyUsed, false);
			same(key, await o.text(), text);
			same(key + ' used after', o.bodyUsed, true);
			same(key + ' members', Object.keys(o).sort().join(), 'contentType,key,size');
		}
		await storage.put('json', '{"a":1}');
		same('json', (await (await storage.get('json')).json()).a, 1);
		let size = 0;
		for await (const piece of (await storage.get('long')).body) size += piece.length;
		same('body', size, bytes.length);
		for (const body of [undefined, null, 1, {}, [1], new Date()]) {
			try { await storage.put('k', body); failed.push('took ' + body); } catch (e) { same('error', e.name + e.message.includes('body'), 'TypeErrortrue'); }
		}
		const broken = new ReadableStream({ pull(c) { c.error(new Error('broken')); } });
		try { await storage.put('k', broken); failed.push('took a broken stream'); } catch (e) { same('cause', e.cause?.message, 'broken'); }
		return failed;
	}`)
	r.Memory = 16 << 20
	w.mustLoad(r)
	s := w.slot()
	s.start("storage", `{}`, 20*time.Second)
	got := s.finish()
	if got.outcome() != outcome.OK {
		t.Fatalf("%v %v %v", got.outcome(), got.GetException(), got.GetDetail())
	}
	if string(got.GetValue()) != "[]" {
		t.Errorf("%s", got.GetValue())
	}
}
