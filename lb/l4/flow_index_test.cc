#include "lb/l4/flow_index.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "io/base/check.h"

namespace ballast::l4 {
namespace {

FlowIndex MakeIndex(size_t entries) {
  auto index = FlowIndex::Create(entries, /*huge_pages=*/false);
  BALLAST_CHECK(index.ok());
  return *std::move(index);
}

// A hash that goes to bucket `bucket` of `index` and has the tag `tag`.
uint64_t HashFor(const FlowIndex& index, size_t bucket, uint8_t tag) {
  const uint64_t step = (uint64_t{1} << 32) / index.bucket_count();
  return (bucket * step + step / 2) << 32 | tag;
}

uint32_t FindNumber(const FlowIndex& index, uint64_t hash, uint32_t number) {
  return index.Find(hash, [&](uint32_t n) { return n == number; });
}

std::set<uint32_t> AllUnder(const FlowIndex& index, uint64_t hash) {
  std::set<uint32_t> all;
  index.Find(hash, [&](uint32_t n) {
    all.insert(n);
    return false;
  });
  return all;
}

uint64_t TotalOverflow(const FlowIndex& index) {
  uint64_t total = 0;
  for (size_t i = 0; i < index.bucket_count(); ++i) {
    total += index.bucket(i).overflow;
  }
  return total;
}

TEST(FlowIndexTest, SameTagInOneBucketIsToldApartByTheCaller) {
  auto index = MakeIndex(100);
  const uint64_t hash = HashFor(index, 3, 77);
  for (uint32_t n = 1; n <= 15; ++n) index.Insert(hash, n);
  EXPECT_EQ(AllUnder(index, hash).size(), 15u);
  for (uint32_t n = 1; n <= 15; ++n) EXPECT_EQ(FindNumber(index, hash, n), n);
  EXPECT_EQ(FindNumber(index, hash, 16), 0u);
  EXPECT_EQ(FindNumber(index, HashFor(index, 3, 78), 5), 0u);
  EXPECT_EQ(TotalOverflow(index), 0u);
}

TEST(FlowIndexTest, TagZeroIsAHashLikeAnother) {
  auto index = MakeIndex(100);
  EXPECT_TRUE(AllUnder(index, HashFor(index, 3, 0)).empty());
  index.Insert(HashFor(index, 3, 0), FlowIndex::kNumberMax);
  EXPECT_EQ(FindNumber(index, HashFor(index, 3, 0), FlowIndex::kNumberMax),
            FlowIndex::kNumberMax);
}

TEST(FlowIndexTest, ChainsGoOverFullBucketsAndRoundTheEnd) {
  auto index = MakeIndex(100);  // 10 buckets.
  const uint64_t hash = HashFor(index, 9, 1);
  for (uint32_t n = 1; n <= 40; ++n) index.Insert(hash, n);  // 9, 0 and 1.
  EXPECT_EQ(index.bucket(9).overflow, 25u);
  EXPECT_EQ(index.bucket(0).overflow, 10u);
  EXPECT_EQ(index.bucket(1).overflow, 0u);
  for (uint32_t n = 1; n <= 40; ++n) EXPECT_EQ(FindNumber(index, hash, n), n);
}

TEST(FlowIndexTest, ErasureAnywhereLeavesTheRestFoundAndNoTrace) {
  auto index = MakeIndex(100);
  const uint64_t hash = HashFor(index, 9, 1);
  const uint64_t neighbour = HashFor(index, 0, 1);
  for (uint32_t n = 1; n <= 40; ++n) index.Insert(hash, n);
  for (uint32_t n = 101; n <= 110; ++n) index.Insert(neighbour, n);
  for (uint32_t n = 1; n <= 40; ++n) {
    index.Erase(hash, n);
    EXPECT_EQ(FindNumber(index, hash, n), 0u);
    for (uint32_t m = n + 1; m <= 40; ++m) {
      ASSERT_EQ(FindNumber(index, hash, m), m) << "after " << n;
    }
    for (uint32_t m = 101; m <= 110; ++m) {
      ASSERT_EQ(FindNumber(index, neighbour, m), m) << "after " << n;
    }
  }
  for (uint32_t n = 101; n <= 110; ++n) index.Erase(neighbour, n);
  EXPECT_EQ(TotalOverflow(index), 0u);
}

// A connection's two tuples may hash alike: one entry each is taken out.
TEST(FlowIndexTest, OneNumberTwiceUnderOneHashIsErasedOnceAtATime) {
  auto index = MakeIndex(20);  // Two buckets.
  const uint64_t hash = HashFor(index, 0, 9);
  for (uint32_t n = 1; n <= 14; ++n) index.Insert(hash, n);
  index.Insert(hash, 99);
  index.Insert(hash, 99);  // In the next bucket.
  EXPECT_EQ(index.bucket(0).overflow, 1u);
  index.Erase(hash, 99);
  EXPECT_EQ(FindNumber(index, hash, 99), 99u);
  index.Erase(hash, 99);
  EXPECT_EQ(FindNumber(index, hash, 99), 0u);
  EXPECT_EQ(TotalOverflow(index), 0u);
}

TEST(FlowIndexTest, CandidatesAreFetchedBeforeTheyAreCompared) {
  auto index = MakeIndex(100);
  const uint64_t hash = HashFor(index, 3, 77);
  std::vector<uint32_t> fetched;
  const auto fetch = [&](uint32_t n) { fetched.push_back(n); };
  EXPECT_EQ(index.Candidate(hash, fetch), 0u);
  index.Insert(HashFor(index, 3, 76), 5);
  EXPECT_EQ(index.Candidate(hash, fetch), 0u);
  index.Insert(hash, 6);
  EXPECT_EQ(index.Candidate(hash, fetch), 6u);
  EXPECT_EQ(fetched, std::vector<uint32_t>({6}));
  index.Insert(hash, 7);
  index.Insert(hash, 8);
  fetched.clear();
  EXPECT_EQ(index.Candidate(hash, fetch), 6u);
  EXPECT_EQ(fetched, std::vector<uint32_t>({6, 7}));
}

TEST(FlowIndexTest, PortableTagMatchAgreesWithTheVectorOne) {
  std::mt19937 prng(5);
  for (int n = 0; n < 20'000; ++n) {
    FlowIndex::Bucket bucket;
    // Few tags, so that many agree; the overflow count must never match.
    for (uint32_t& entry : bucket.entries) {
      entry =
          prng() % 4 == 0
              ? 0
              : (1 + prng() % 4 + (prng() % 2 ? 251 : 0)) << 24 | prng() % 1000;
    }
    const auto tag = static_cast<uint8_t>(prng() % 2 == 0 ? 1 + prng() % 4
                                                          : 252 + prng() % 4);
    bucket.overflow = prng() % 2 == 0 ? uint32_t{tag} << 24 : prng();
    uint32_t expected = 0;
    for (size_t i = 0; i < 15; ++i) {
      if (bucket.entries[i] / 0x1000000 == tag) expected += 1u << i;
    }
    ASSERT_EQ(bucket.MatchTagPortable(tag), expected);
    ASSERT_EQ(bucket.MatchTag(tag), expected);
  }
}

// Against a multimap, in a world of six buckets and three tags, up to the
// number of entries the index was made for.
TEST(FlowIndexTest, RandomOperationsMatchAMultimap) {
  std::mt19937 prng(11);
  auto index = MakeIndex(60);
  std::multimap<uint64_t, uint32_t> model;
  uint64_t chained = 0;
  for (int n = 0; n < 60'000; ++n) {
    // Half of all go to one bucket.
    const uint64_t hash = HashFor(index, prng() % 2 == 0 ? 4 : prng() % 6,
                                  static_cast<uint8_t>(prng() % 3));
    const uint32_t number = 1 + prng() % 20;
    if (prng() % 2 == 0) {
      if (model.size() < 60) {
        index.Insert(hash, number);
        model.emplace(hash, number);
      }
    } else {
      const auto [first, last] = model.equal_range(hash);
      for (auto it = first; it != last; ++it) {
        if (it->second == number) {
          index.Erase(hash, number);
          model.erase(it);
          break;
        }
      }
    }
    // Tags 0 and 1 are one to the index; it may offer more, never less.
    const uint64_t asked = HashFor(index, prng() % 6, 2);
    const auto offered = AllUnder(index, asked);
    const auto [first, last] = model.equal_range(asked);
    for (auto it = first; it != last; ++it) {
      ASSERT_EQ(offered.count(it->second), 1u);
    }
    chained += TotalOverflow(index);
  }
  EXPECT_GT(chained, 10'000u);
  for (const auto& [hash, number] : model) index.Erase(hash, number);
  EXPECT_EQ(TotalOverflow(index), 0u);
  for (size_t i = 0; i < index.bucket_count(); ++i) {
    for (const uint32_t entry : index.bucket(i).entries) EXPECT_EQ(entry, 0u);
  }
}

}  // namespace
}  // namespace ballast::l4
