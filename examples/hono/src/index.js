// A Hono application, as it would run on any other host of fetch handlers:
//
//	npm install
//	supervisor deploy acme/notes . --memory 16MiB --public
import { Hono } from 'hono';
import { logger } from 'hono/logger';
import { streamSSE } from 'hono/streaming';

const app = new Hono();
app.use(logger());

app.get('/', (c) => c.html('<h1>Notes</h1>'));

app.post('/notes/:id', async (c) => {
  const { text } = await c.req.json();
  if (text === undefined) return c.text('text is missing', 400);
  return c.json({ id: c.req.param('id'), text }, 201);
});

app.get('/count', (c) => streamSSE(c, async (stream) => {
  for (let n = 1; n <= 3; n++) await stream.writeSSE({ data: String(n), event: 'number' });
}));

export default app;
