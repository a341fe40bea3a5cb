package escape

// unfiltered are calls about which Linux does not ask a filter.
var unfiltered []uint32

// machine are the attempts that only this architecture offers, and the sweep.
var machine = []Attempt{sweep}
