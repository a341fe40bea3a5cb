export interface Item {
  sku: string;
  price: number;
  count: number;
}

export const lineTotal = (item: Item): number => Math.round(item.price * item.count * 100) / 100;

export function total(items: readonly Item[]): number {
  if (items.length === 0) {
    throw new RangeError('an order has at least one item');
  }
  return items.reduce((sum, item) => sum + lineTotal(item), 0);
}
