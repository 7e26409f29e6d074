// A process or a machine that ends at any step of changes to the configuration.
//
// The linker gives this test the system calls of io/file.cc (--wrap): each one
// is written down. Then, for each step, the folder is made as that end would
// have left it, and a Manager is started on it. Three kinds of ends: of the
// process; of the machine, with nothing on the disk but what was synced; and
// with names that are there before the bytes they stand for.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "lb/run/fake_balancer.h"
#include "lb/run/manager.h"

namespace {

struct Step {
  enum Kind { kOpen, kWrite, kSync, kRename, kUnlink } kind;
  std::string path;
  std::string other;  // Bytes written, or the new name.
  bool truncates = false;
};

// What the wraps know.
struct Recorder {
  bool on = false;
  bool halved = false;               // The last write was.
  std::map<int, std::string> paths;  // Of open descriptors.
  std::vector<Step> steps;
};
Recorder& recorder() {
  static auto& recorder = *new Recorder;
  return recorder;
}

}  // namespace

extern "C" {
int __real_open(const char* path, int flags, ...);
ssize_t __real_write(int fd, const void* data, size_t size);
int __real_fsync(int fd);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);

int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode =
      (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
  va_end(arguments);
  const int fd = __real_open(path, flags, mode);
  if (fd >= 0) recorder().paths[fd] = path;
  if (fd >= 0 && recorder().on && (flags & (O_CREAT | O_TRUNC)) != 0) {
    recorder().steps.push_back({Step::kOpen, path, "", (flags & O_TRUNC) != 0});
  }
  return fd;
}
ssize_t __wrap_write(int fd, const void* data, size_t size) {
  // In two pieces: a write may end anywhere.
  recorder().halved = recorder().on && !recorder().halved && size > 1;
  const ssize_t wrote =
      __real_write(fd, data, recorder().halved ? size / 2 : size);
  if (wrote > 0 && recorder().on) {
    recorder().steps.push_back({Step::kWrite, recorder().paths[fd],
                                std::string(static_cast<const char*>(data),
                                            static_cast<size_t>(wrote))});
  }
  return wrote;
}
int __wrap_fsync(int fd) {
  if (recorder().on) {
    recorder().steps.push_back({Step::kSync, recorder().paths[fd], ""});
  }
  return 0;  // The disk is a model here.
}
int __wrap_rename(const char* from, const char* to) {
  const int result = __real_rename(from, to);
  if (result == 0 && recorder().on) {
    recorder().steps.push_back({Step::kRename, from, to});
  }
  return result;
}
int __wrap_unlink(const char* path) {
  const int result = __real_unlink(path);
  if (result == 0 && recorder().on) {
    recorder().steps.push_back({Step::kUnlink, path, ""});
  }
  return result;
}
}

namespace ballast::run {
namespace {

struct File {
  std::string bytes;
  std::string synced;
};
using Names = std::map<std::string, std::shared_ptr<File>>;

// A disk and what the kernel has not given it yet.
struct Disk {
  Names names;    // As the kernel has them.
  Names on_disk;  // Folders that were synced.

  void Do(const Step& step) {
    switch (step.kind) {
      case Step::kOpen: {
        auto& file = names[step.path];
        if (file == nullptr) file = std::make_shared<File>();
        if (step.truncates) file->bytes.clear();
        return;
      }
      case Step::kWrite:
        names.at(step.path)->bytes += step.other;
        return;
      case Step::kSync:
        if (const auto file = names.find(step.path); file != names.end()) {
          file->second->synced = file->second->bytes;
        } else {
          SyncFolder(step.path);
        }
        return;
      case Step::kRename:
        names[step.other] = names.at(step.path);
        names.erase(step.path);
        return;
      case Step::kUnlink:
        names.erase(step.path);
        return;
    }
  }

 private:
  void SyncFolder(const std::string& folder) {
    const auto inside = [&](const std::string& path) {
      return std::filesystem::path(path).parent_path() == folder;
    };
    std::erase_if(on_disk,
                  [&](const auto& name) { return inside(name.first); });
    for (const auto& [path, file] : names) {
      if (inside(path)) on_disk[path] = file;
    }
  }
};

enum class End { kProcess, kMachine, kMachineNamesFirst };

class ConfigCrashTest : public ::testing::Test {
 protected:
  ConfigCrashTest()
      : folder_(absl::StrCat(::testing::TempDir(), "/crash")),
        path_(folder_ + "/ballast.textproto"),
        state_(folder_ + "/state") {}

  std::unique_ptr<Manager> Open() {
    Manager::Options options;
    options.path = path_;
    options.balancer.log = [](const LogRecord&) {};
    options.create = [this](Balancer::Options options)
        -> absl::StatusOr<std::unique_ptr<Balancer>> {
      auto balancer = std::make_unique<FakeBalancer>(std::move(options));
      balancer_ = balancer.get();
      return balancer;
    };
    auto manager = Manager::Open(std::move(options));
    EXPECT_THAT(manager, IsOk());
    return manager.ok() ? *std::move(manager) : nullptr;
  }

  void Make(const Disk& disk, End end) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(state_ + "/history");
    const Names& names = end == End::kMachine ? disk.on_disk : disk.names;
    for (const auto& [path, file] : names) {
      std::ofstream(path, std::ios::binary)
          << (end == End::kProcess ? file->bytes : file->synced);
    }
  }

  const std::string folder_, path_, state_;
  FakeBalancer* balancer_ = nullptr;
};

TEST_F(ConfigCrashTest, TheOldOrTheNewOneIsThereWholeAtEveryStep) {
  Disk disk;
  auto first = std::make_shared<File>();
  first->bytes = first->synced =
      absl::StrCat("# by hand\nstate_dir: '", state_,
                   "'\ninterfaces { name: 'eth0' } connection_timeout_s: 100 "
                   "history { revisions: 3 }\n");
  disk.names[path_] = disk.on_disk[path_] = first;
  Make(disk, End::kProcess);

  // Some changes, one of which is not taken. After `steps`, `timeout` is
  // acknowledged, and `next` may be there too.
  struct Moment {
    size_t steps;
    uint64_t generation;
    uint32_t timeout, next;
  };
  std::vector<Moment> moments;
  recorder().on = true;
  {
    const auto manager = Open();
    ASSERT_NE(manager, nullptr);
    for (uint32_t i = 1; i <= 4; ++i) {
      config::proto::Config next = manager->configuration();
      const uint32_t before = next.connection_timeout_s();
      next.set_connection_timeout_s(100 + i);
      if (i == 2) balancer_->apply_status = absl::UnavailableError("no");
      moments.push_back(
          {recorder().steps.size(), manager->generation(), before, 100 + i});
      EXPECT_EQ(manager->Change(next, "a change", {"admin", ""}).ok(), i != 2);
    }
    moments.push_back(
        {recorder().steps.size(), manager->generation(), 104, 104});
  }
  recorder().on = false;
  EXPECT_EQ(moments.back().generation, 4u);

  size_t done = 0, acknowledged = 0;
  for (;; ++done) {
    while (acknowledged + 1 < moments.size() &&
           moments[acknowledged + 1].steps <= done) {
      ++acknowledged;
    }
    const Moment& moment = moments[acknowledged];
    for (const End end :
         {End::kProcess, End::kMachine, End::kMachineNamesFirst}) {
      SCOPED_TRACE(absl::StrCat("step ", done, " of ", recorder().steps.size(),
                                ", end ", static_cast<int>(end)));
      Make(disk, end);
      const auto manager = Open();
      ASSERT_NE(manager, nullptr);
      const uint32_t found = manager->configuration().connection_timeout_s();
      EXPECT_THAT(found, ::testing::AnyOf(moment.timeout, moment.next));
      EXPECT_GE(manager->generation(), moment.generation);
      // The history goes back from there.
      const auto kept = manager->ConfigurationOf(manager->generation());
      ASSERT_THAT(kept, IsOk());
      EXPECT_EQ(kept->connection_timeout_s(), found);
      if (done >= moments[0].steps) {
        const auto acked = manager->ConfigurationOf(moment.generation);
        ASSERT_THAT(acked, IsOk());
        EXPECT_EQ(acked->connection_timeout_s(), moment.timeout);
      }
    }
    if (done == recorder().steps.size() || HasFailure()) break;
    disk.Do(recorder().steps[done]);
  }
  RecordProperty("steps", static_cast<int>(done));
  // Of each change: two files opened, written in two pieces, synced, renamed,
  // their folders synced.
  EXPECT_GE(done, 4u * 2 * 6);
}

}  // namespace
}  // namespace ballast::run
