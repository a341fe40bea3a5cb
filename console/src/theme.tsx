import { useEffect, useState } from 'preact/hooks';

type Theme = 'auto' | 'light' | 'dark';
const key = 'bulkhead.theme';
const order: Theme[] = ['auto', 'light', 'dark'];
const stored = () => { const t = localStorage.getItem(key); return t === 'light' || t === 'dark' ? t : 'auto'; };

export function applyTheme(t: Theme = stored()) {
  if (t === 'auto') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = t;
}

export function ThemeButton() {
  const [theme, set] = useState<Theme>(stored);
  useEffect(() => {
    applyTheme(theme);
    if (theme === 'auto') localStorage.removeItem(key); else localStorage.setItem(key, theme);
  }, [theme]);
  const sign = { auto: '◐', light: '☀', dark: '☾' }[theme];
  return <button type="button" class="icon" onClick={() => set(order[(order.indexOf(theme) + 1) % 3])} aria-label={`Colours: ${theme}. Change`} title={`Colours: ${theme}`}>
    <span aria-hidden="true">{sign}</span>
  </button>;
}
