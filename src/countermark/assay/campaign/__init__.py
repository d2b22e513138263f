"""Running scenarios and strategies against stacks over HTTP: the plan, its rows, its result. Leaves words to `report/`."""
