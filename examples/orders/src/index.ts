// An order comes in, an invoice in text goes out.
//
//   supervisor run examples/orders --event '{"currency":"EUR","items":[{"sku":"tea","price":4.2,"count":3}]}'

import names from './names.json';
import template from './invoice.txt';
import { type Item, lineTotal, total } from './total';

interface Order {
  currency: string;
  items: Item[];
}

export default async function handler(order: Order): Promise<{ total: number; invoice: string }> {
  const known: Record<string, string> = names;
  const lines = order.items.map(
    (item) => `${item.count} x ${known[item.sku] ?? item.sku}: ${lineTotal(item).toFixed(2)}`,
  );
  const sum = total(order.items);
  const invoice = template
    .replace('{{lines}}', lines.join('\n'))
    .replace('{{total}}', `${sum.toFixed(2)} ${order.currency}`);
  return { total: sum, invoice };
}
