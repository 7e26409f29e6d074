// What `ballastctl top` shows: one screen of lines, the busiest first. Pure.
#ifndef EXAMPLES_CTL_TOP_FRAME_H_
#define EXAMPLES_CTL_TOP_FRAME_H_

#include <cstddef>
#include <string>
#include <vector>

#include "lb/admin/v1.pb.h"

namespace ballast::ctl {

struct TopLine {
  enum Style { kPlain, kHead, kBad };
  std::string text;
  Style style = kPlain;
};

struct TopView {
  const admin::proto::Status* now = nullptr;     // Null: none was had yet.
  const admin::proto::Status* before = nullptr;  // Null: no rates of drops.
  double seconds = 0;                            // Between the two.
  std::string error;  // Why there is no newer one; empty: there is.
};

// At most `height` lines (at least 1) of at most `width` characters. Services
// get up to half of what there is room for if there is not enough, servers the
// rest; what has no room is counted.
std::vector<TopLine> TopFrame(const TopView& view, size_t width, size_t height);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_TOP_FRAME_H_
