// The source itself: it remembers what others obtained. It knows nothing of components, so that its test runs anywhere.
import { absent } from './refused.js';

// The lease that was kept for the app and kind of `request`: flytoken finds the record, no function takes an app.
export function resolve(request, host) {
  const lease = host.load();
  if (!lease) {
    throw absent(`nothing kept for \`${request.app}\``);
  }
  return lease;
}

export function keep(lease, host) {
  host.save(lease);
}

export function forget(host) {
  host.remove();
}
