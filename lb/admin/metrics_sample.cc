// Prints the metrics of an example, for promtool.
#include <cstdio>

#include "lb/admin/metrics.h"
#include "lb/admin/statistics_example.h"

int main() {
  using namespace ballast::admin;  // NOLINT: a main() of one line.
  std::fputs(MetricsText(ExampleStatistics()).c_str(), stdout);
}
