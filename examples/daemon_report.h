// What ballastd says of its numbers.
//
// Threads  pure functions.
#ifndef EXAMPLES_DAEMON_REPORT_H_
#define EXAMPLES_DAEMON_REPORT_H_

#include <string>
#include <vector>

#include "lb/statistics.h"

namespace ballast {

// One line.
std::string StatisticsLine(const Statistics& statistics);
// Every service and server.
std::vector<std::string> StatisticsLines(const Statistics& statistics);
// Lines, each with its newline.
std::string PairText(const PairStatistics& pair);

}  // namespace ballast

#endif  // EXAMPLES_DAEMON_REPORT_H_
